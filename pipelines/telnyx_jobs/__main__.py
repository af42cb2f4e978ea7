"""`python -m telnyx_jobs`: the same as the console script."""

from telnyx_jobs.cli.commands import main

if __name__ == "__main__":
    main()
