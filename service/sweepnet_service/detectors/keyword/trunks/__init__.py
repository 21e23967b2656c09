"""Phone trunks as model files: speech with its text -> a detector of phones that words stand on."""
