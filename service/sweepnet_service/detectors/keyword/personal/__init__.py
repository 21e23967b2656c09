"""A spotter from 3 to 20 recordings of any word in any language, which tells how good it is."""
