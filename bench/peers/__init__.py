"""One file a library: how it does each kind of work. nnfast's own side is one of them."""
