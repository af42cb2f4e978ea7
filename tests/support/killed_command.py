"""The command, as a program that kills itself at a step of its work."""

DRIVER = """
import os, signal, sys
from importlib import import_module

from telnyx_jobs.cli import commands as cli

module_name, path, is_after, count = sys.argv.pop(1).split(":")
module = import_module(module_name)
*owners, name = path.split(".")
owner = module
for each in owners:
    owner = getattr(owner, each)
real, calls = getattr(owner, name), []

def killed(*arguments, **options):
    calls.append(1)
    is_time = len(calls) == int(count)
    if is_time and is_after == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **options)
    if is_time:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, killed)
cli.main()
"""
"""The command, killing itself before or after the n-th call of one function."""
