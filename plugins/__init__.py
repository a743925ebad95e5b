"""The built-in plugins: sources, rules, formatters, channels and recorders. Each is wired by a table in config.toml."""
