"""Parts of make-inspector-corpus.py."""
