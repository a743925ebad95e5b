"""The plugins of the kit: a source that is told events as values, and a transport that keeps what it is given."""
