"""The `wsgw` command: a table of commands, each in a module that is loaded when it runs."""

from __future__ import annotations

from importlib import import_module

import click

from wsgw import __version__

#: command: (module, attribute, line in --help)
COMMANDS = {
    "serve": ("wsgw.cli.serve", "serve", "Serve the APIs that definition files define."),
    "demo": ("wsgw.cli.demo", "demo", "Serve the bundled chat example with its page."),
    "check": ("wsgw.cli.check", "check", "Say what is wrong with definition files."),
    "import": ("wsgw.cli.import_", "import_", "Store definition files in the data directory or in Redis."),
    "export": ("wsgw.cli.export", "export", "Write an API out as OpenAPI or in the native format."),
    "connections": ("wsgw.cli.connections", "connections", "List, look at, write to and close live connections."),
    "revoke": ("wsgw.cli.revoke", "revoke", "Refuse a principal or a key from now on, and close its connections."),
    "usage": ("wsgw.cli.usage", "usage", "Show, extend and export what API keys have used of their plans."),
    "loadtest": ("wsgw.cli.loadtest", "loadtest", "Put load on a WebSocket server and check its answers."),
    "config": ("wsgw.cli.config", "config", "Show settings, their documentation, and the file format's schema."),
}


class LazyGroup(click.Group):
    """Commands by name; `--help` reads the table and loads none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wsgw")
def main() -> None:
    """A self-hosted gateway for Amazon API Gateway's model: REST, HTTP and WebSocket APIs on your own machines."""
