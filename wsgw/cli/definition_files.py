"""Definition files on disk → what they define, with everything that is wrong: the one place that opens them."""

from __future__ import annotations

import os.path
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from wsgw.authorizers.policy import PolicyError, compile_policy
from wsgw.authorizers.policy_words import without_effect
from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import Api, DomainName
from wsgw.definitions.check import check
from wsgw.definitions.check_domain import check_domains
from wsgw.definitions.check_guard import check_keys_wanted, check_signers
from wsgw.definitions.check_unserved import unserved
from wsgw.definitions.check_usage import check_usage
from wsgw.definitions.finding import Finding, error, warning
from wsgw.definitions.freeze import DEFAULT_STAGE, broken, freeze
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.formats.openapi import PSEUDO_PARAMETERS
from wsgw.formats.openapi_paths import BasePathMode
from wsgw.formats.parse import Parsed, merged, parse
from wsgw.formats.yaml import MOST_BYTES
from wsgw.live.prove import prove
from wsgw.live.stages import UNNAMED_STAGE

if TYPE_CHECKING:
    from wsgw.live.prove_beside import Surroundings

_DOMAIN_FILES = {"certificate": "certificate", "certificate_key": "certificateKey", "truststore": "truststore"}


class Definitions(NamedTuple):
    """What files define. An API that cannot be frozen is not among `apis`; `findings` are in the order of the files."""

    apis: tuple[Api, ...]
    access_keys: tuple[AccessKey, ...]
    management_tokens: tuple[str, ...]
    findings: tuple[Finding, ...]
    domain_names: tuple[DomainName, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    usage_plans: tuple[UsagePlan, ...] = ()


class Beside(NamedTuple):
    """What is there beside what is checked, and stays as it is."""

    apis: Sequence[Api] = ()
    api_keys: Sequence[ApiKey] = ()
    usage_plans: Sequence[UsagePlan] = ()
    access_keys: Sequence[AccessKey] = ()


_NOTHING = Beside()


def read_definitions(
    paths: Sequence[Path],
    env: Mapping[str, str],
    *,
    stage: str = DEFAULT_STAGE,
    stored: Parsed | None = None,
    pseudo_parameters: Mapping[str, str] = PSEUDO_PARAMETERS,
    around: Surroundings | None = None,
) -> Definitions:
    """What the files at `paths` define, checked as a whole; whatever is wrong is a finding, nothing is raised.

    `env` answers for `${NAME}` in secrets; `stage` is the stage of an API that names none; `stored` is served too;
    `pseudo_parameters` answer for `${AWS::…}`; `around` is as `checked` has it.
    """
    parsed = read_files(paths, env, stored=stored, pseudo_parameters=pseudo_parameters)
    return checked(parsed, paths, stage=stage, around=around)


def read_files(
    paths: Sequence[Path],
    env: Mapping[str, str],
    *,
    stored: Parsed | None = None,
    pseudo_parameters: Mapping[str, str] = PSEUDO_PARAMETERS,
    basepath: BasePathMode = "ignore",
) -> Parsed:
    """What the files at `paths`, and `stored`, define as documents; an API in both is a finding."""
    read = (_read(path, env, pseudo_parameters, basepath) for path in paths)
    return merged([*([stored] if stored else []), *read])


def checked(
    parsed: Parsed,
    paths: Sequence[Path] = (),
    *,
    stage: str = DEFAULT_STAGE,
    beside: Beside = _NOTHING,
    around: Surroundings | None = None,
    now: Callable[[], float] = time.time,
) -> Definitions:
    """`parsed` frozen, and everything that is wrong with it, in the order of the files at `paths`.

    beside: what domain names and usage plans may lead to, too, and who may sign
    around: where it is to be served: what it needs there is looked for, as a deployment does itself
    now: epoch seconds
    """
    apis: list[Api] = []
    findings = list(parsed.findings)
    for document in parsed.documents:
        faults = broken(document)
        if not faults:
            api = freeze(document, stage)
            apis.append(api)
            faults = check(api) + prove(api) + unserved(document)
            if around is not None:
                from wsgw.live.prove_beside import prove_beside

                faults += prove_beside(api, around)
        findings += [parsed.placed(fault) for fault in faults]
    findings += [parsed.placed(fault) for fault in check_domains(parsed.domain_names, apis, beside.apis)]
    findings += [parsed.placed(fault) for domain in parsed.domain_names for fault in _files(domain)]
    findings += [parsed.placed(fault) for key in parsed.access_keys for fault in _policies(key)]
    findings += [parsed.placed(fault) for fault in _usage(parsed, apis, beside)]
    findings += [parsed.placed(fault) for key in parsed.access_keys for fault in _expired(key, now())]
    if not any(_in_force(key, now()) for key in (*parsed.access_keys, *beside.access_keys)):
        findings += [parsed.placed(fault) for fault in check_signers(apis)]
    plans = [*parsed.usage_plans, *beside.usage_plans]
    findings += [parsed.placed(fault) for fault in check_keys_wanted(apis, plans)]
    files = {str(path): number for number, path in enumerate(paths)}
    findings.sort(key=lambda finding: (files.get(finding.file, 0), finding.line, finding.column))
    return Definitions(
        tuple(apis),
        parsed.access_keys,
        parsed.management_tokens,
        tuple(dict.fromkeys(findings)),
        tuple(_with_stages(domain, apis) for domain in parsed.domain_names),
        parsed.api_keys,
        parsed.usage_plans,
    )


def _usage(parsed: Parsed, apis: Sequence[Api], beside: Beside) -> Iterator[Finding]:
    """What is wrong with keys and plans, those beside included: what changes may take away what these lead to."""
    keys, plans = [*parsed.api_keys, *beside.api_keys], [*parsed.usage_plans, *beside.usage_plans]
    own = {("apiKeys", key.id) for key in parsed.api_keys} | {("usagePlans", plan.id) for plan in parsed.usage_plans}
    for fault in check_usage(keys, plans, [*apis, *beside.apis]):
        if fault.path[:2] in own or fault.severity == "error":
            yield fault


def _with_stages(domain: DomainName, apis: Sequence[Api]) -> DomainName:
    """`domain` with the stage of an API whose only one is `$default`: no path can name it."""
    unnamed = {api.id for api in apis if [*api.stages] == [UNNAMED_STAGE]}
    mappings = (
        msgspec.structs.replace(one, stage=UNNAMED_STAGE) if not one.stage and one.api_id in unnamed else one
        for one in domain.mappings
    )
    return msgspec.structs.replace(domain, mappings=tuple(mappings))


def _files(domain: DomainName) -> Iterator[Finding]:
    """Certificates that are not there: found out now, not with the first handshake."""
    for member, name in _DOMAIN_FILES.items():
        file = getattr(domain, member)
        # The one of `os.path`: that of `pathlib` raises where a directory may not be entered.
        if file is not None and not os.path.isfile(file):
            yield error(("domainNames", domain.name, name), "there is no such file", "name a PEM file")


def _beside(domain: DomainName, directory: Path) -> DomainName:
    """`domain` with its files looked for in `directory`, that of its definition file."""
    files = {
        member: str((directory / file).absolute())
        for member in _DOMAIN_FILES
        if (file := getattr(domain, member)) is not None
    }
    return msgspec.structs.replace(domain, **files)


def _policies(key: AccessKey) -> Iterator[Finding]:
    for index, document in enumerate(key.policies):
        path = ("accessKeys", key.access_key_id, "policies", index)
        try:
            compile_policy(document)
        except PolicyError as fault:
            yield from (error(path, one, "write it as IAM policies are") for one in fault.faults)
            continue
        for message, remedy in without_effect(document):
            # A policy that was written for other services too names their actions.
            if "execute-api:" in message:
                yield warning(path, message, remedy)


def _in_force(key: AccessKey, now: float) -> bool:
    return key.expires is None or now < key.expires


def _expired(key: AccessKey, now: float) -> Iterator[Finding]:
    if not _in_force(key, now):
        path = ("accessKeys", key.access_key_id, "expires")
        yield warning(path, "the key has expired: what it signs is refused", "renew it, or remove it")


def is_table(file: Path) -> bool:
    """Whether `file` is one of API keys rather than of definitions."""
    return file.suffix.lower() == ".csv"


def _read(path: Path, env: Mapping[str, str], pseudo_parameters: Mapping[str, str], basepath: BasePathMode) -> Parsed:
    if is_table(path):
        message = "a CSV file has API keys, and can only be imported"
        return Parsed(
            findings=(
                Finding(message=message, remedy="use wsgw import, then serve with --data or --redis", file=str(path)),
            )
        )
    try:
        with path.open("rb") as file:
            # One byte more than may be there: `parse` then says that it is too large.
            text = file.read(MOST_BYTES + 1)
    except OSError as fault:
        message = f"cannot be read: {fault.strerror or fault}"
        return Parsed(findings=(Finding(message=message, remedy="name a definition file", file=str(path)),))
    parsed = parse(text, str(path), env, pseudo_parameters, basepath)
    return parsed._replace(domain_names=tuple(_beside(domain, path.parent) for domain in parsed.domain_names))
