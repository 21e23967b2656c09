"""The steps. One that was released is never changed: what follows is a further step."""
