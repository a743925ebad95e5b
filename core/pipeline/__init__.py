"""One module per stage: receive, normalize, filter, render, send, record; and what lies between them."""
