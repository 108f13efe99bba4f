"""``dicom-node user``: who may use the console. The only way to its first user."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError
from dicom_node.storage.users import Role

if TYPE_CHECKING:
    from dicom_node.storage.journal import Journal
    from dicom_node.web.accounts import Accounts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a user; the password is asked for")
    role = actions.add_parser("role", help="change what a user may do")
    for action in (add, role):
        action.add_argument("name", metavar="NAME")
        action.add_argument(
            "--role",
            choices=[item.value for item in Role],
            required=True,
            help="viewer looks, operator reprocesses and corrects too, administrator does everything",
        )
    passwd = actions.add_parser("passwd", help="give a user a new password; every login of the user ends")
    passwd.add_argument("name", metavar="NAME")
    for action in (add, passwd):
        action.add_argument(
            "--password-file",
            type=Path,
            metavar="FILE",
            help="read the password from its first line, ask nobody",
        )
    disable = actions.add_parser("disable", help="let a user log in no more; every login of the user ends")
    enable = actions.add_parser("enable", help="let a disabled user log in again")
    for action in (disable, enable):
        action.add_argument("name", metavar="NAME")
    listed = actions.add_parser("list", help="list the users")
    for action in (add, role, passwd, disable, enable):
        action.add_argument("--reason", default="", metavar="TEXT", help="kept with the change")
    for action in (add, role, passwd, disable, enable, listed):
        add_config_option(action)


def run(options: argparse.Namespace) -> int:
    from dicom_node.web.accounts import Accounts

    config = load_config(options)
    with open_journal(config) as journal:
        if options.action == "list":
            _list(journal)
        else:
            accounts = Accounts(config, journal, f"{getpass.getuser()} (command line)")
            print(f"user {options.name}: {_change(accounts, options)}")
    return 0


def _change(accounts: Accounts, options: argparse.Namespace) -> str:
    name, reason = options.name, options.reason
    if options.action == "add":
        accounts.add(name, Role(options.role), _password(options), reason)
        return f"made, {options.role}"
    if options.action == "role":
        accounts.set_role(name, Role(options.role), reason)
        return f"{options.role} from now on"
    if options.action == "passwd":
        accounts.set_password(name, _password(options), reason)
        return "has a new password; every login has ended"
    if options.action == "disable":
        accounts.disable(name, reason)
        return "disabled; every login has ended"
    accounts.enable(name, reason)
    return "enabled"


def _list(journal: Journal) -> None:
    accounts = journal.accounts()
    for account in accounts:
        since = f"disabled since {account.disabled_at[:19]}" if account.disabled_at else "enabled"
        print(f"{account.name}  {account.role}  {since}")
    if not accounts:
        print("no user yet: dicom-node user add NAME --role administrator")


def _password(options: argparse.Namespace) -> str:
    return _read(options.password_file) if options.password_file else _ask()


def _read(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(f"--password-file {path}: cannot be read ({error.strerror})") from None
    return lines[0] if lines else ""


def _ask() -> str:
    if not sys.stdin.isatty():
        raise ConfigurationError("there is no terminal to ask for the password; give --password-file FILE")
    password = getpass.getpass("password (at least 12 characters): ")
    if getpass.getpass("again: ") != password:
        raise ConfigurationError("the two passwords differ; nothing was changed")
    return password
