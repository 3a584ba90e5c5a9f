"""What the servers in Python note, and what they have seen: see acts.js."""
import os

LEDGER = os.environ['LEDGER']


def note(line):
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, (line + '\n').encode())
    os.close(ledger)


def is_first(key):
    try:
        open(LEDGER + '.' + key, 'x').close()
        return True
    except FileExistsError:
        return False
