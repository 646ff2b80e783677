"""Countries by a MaxMind DB file that the operator supplies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.harness.countries import write_countries
from wsgw.firewall.countries import countries
from wsgw.firewall.firewalls import Firewalls


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_countries(tmp_path / "countries.mmdb", {"192.0.2.0/24": "AT", "2001:db8::/32": "DE"})


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("192.0.2.7", "AT"),
        ("2001:db8::7", "DE"),
        ("198.51.100.1", ""),
        ("", ""),
        ("unix", ""),
        ("2001:db8::1%eth0", "DE"),
    ],
)
def test_an_address_has_the_country_of_its_network(file: Path, address: str, code: str):
    assert countries(str(file))(address) == code


def test_a_network_without_a_country_has_the_one_it_is_registered_in(tmp_path: Path):
    file = write_countries(tmp_path / "countries.mmdb", {"192.0.2.0/24": "CH"}, member="registered_country")
    assert countries(str(file))("192.0.2.7") == "CH"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"geo_database .*none\.mmdb' cannot be read"):
        countries(str(tmp_path / "none.mmdb"))


def test_a_file_that_is_none_is_refused(tmp_path: Path):
    (tmp_path / "countries.mmdb").write_text("AT")
    with pytest.raises(ValueError, match="cannot be read"):
        countries(str(tmp_path / "countries.mmdb"))


def test_without_the_setting_there_are_no_countries():
    with pytest.raises(ValueError, match="set geo_database"):
        countries("")


def test_without_the_library_there_are_no_countries(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(ValueError, match=r"pip install 'wsgw\[geo\]'"):
        countries(str(file))


def test_a_file_that_has_changed_is_read_with_the_next_deployment(file: Path):
    firewalls = Firewalls(lambda: 0.0)
    before = firewalls.countries(str(file))
    assert firewalls.countries(str(file)) is before
    write_countries(file, {"192.0.2.0/24": "CH"})
    os.utime(file, ns=(1, 1))
    assert firewalls.countries(str(file))("192.0.2.7") == "CH"
    assert before("192.0.2.7") == "AT"
