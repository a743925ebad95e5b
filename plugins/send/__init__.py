"""Transports: each carries one channel."""

# What clients read. A name that stands here is no typo in [route] while no transport that carries it is on.
CHANNELS = ("whatsapp", "max", "telegram", "sms")
