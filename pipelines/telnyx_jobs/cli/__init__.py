"""The command line: arguments, output, exit codes, signals, and who is notified."""
