"""Whom a node lets use @connections: what its definitions and settings come to."""

from __future__ import annotations

import msgspec
import pytest

from tests.authorizers.sigv4_signing import KEY
from wsgw.authorizers.management_callers import ManagementCallers
from wsgw.definitions.access import AccessKey
from wsgw.settings import Settings

SETTINGS = Settings(account_id="111122223333", management_tokens=("of-the-settings",))


def test_a_key_that_names_no_principal_is_the_root_of_the_settings_account():
    nameless = AccessKey(access_key_id="AKIDNOBODY", secret="a-secret")
    callers = ManagementCallers.of(SETTINGS, (nameless, KEY), ())
    root = msgspec.structs.replace(nameless, principal="arn:aws:iam::111122223333:root")
    assert callers.access_keys == (root, KEY)


def test_the_settings_tokens_stay_good_beside_those_of_the_definitions():
    assert ManagementCallers.of(SETTINGS, (), ("another",)).tokens == ("another", "of-the-settings")


@pytest.mark.parametrize(
    ("settings", "keys", "tokens", "configured"),
    [
        (Settings(), (), (), False),
        (SETTINGS, (), (), True),
        (Settings(), (KEY,), (), True),
        (Settings(), (), ("a-token",), True),
    ],
)
def test_a_key_or_a_token_is_enough(
    settings: Settings, keys: tuple[AccessKey, ...], tokens: tuple[str, ...], configured: bool
):
    assert ManagementCallers.of(settings, keys, tokens).configured is configured
