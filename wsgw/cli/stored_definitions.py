"""What `wsgw import` has stored ↔ definitions: each API a document in API Gateway's shapes, each key and token one.

A secret is stored as it was written: a `${NAME}` stays a reference, and whoever serves it needs the variable.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from wsgw.definitions.access import AccessKey
from wsgw.definitions.api import DomainName
from wsgw.definitions.finding import Finding, Path, error
from wsgw.definitions.freeze import api_id_of, broken, freeze, stage_of
from wsgw.definitions.usage import ApiKey, UsagePlan
from wsgw.definitions.usage_documents import api_key_document, api_key_of, usage_plan_document, usage_plan_of
from wsgw.errors import DefinitionError
from wsgw.formats.native import filled
from wsgw.formats.parse import Parsed, Source
from wsgw.stores.base import Documents

log = logging.getLogger("wsgw")

API, ACCESS_KEY, MANAGEMENT_TOKEN, DOMAIN_NAME = "api", "accessKey", "managementToken", "domainName"
API_KEY, USAGE_PLAN = "apiKey", "usagePlan"
#: One document, written with whatever else is imported: where it is gone, the store has lost what was in it.
IMPORTED = "imported"
#: What nodes announce to each other when something of it has changed.
TOPIC = "definitions"


class AsWritten(Mapping[str, str]):
    """An environment in which each variable holds its own reference: `${NAME}` stays what it is."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class StoredDefinitions:
    """The definitions in `documents`; `place` says where that is, for findings."""

    def __init__(self, documents: Documents, place: str) -> None:
        self.documents = documents
        self._place = place
        self._seen = -1
        self._marked = self._lost = False

    async def changed(self, told: bool = False) -> bool:
        """Whether anything was stored since the last `read`; a loss does not count. Raises StoreUnavailable.

        told: whoever has stored it says so. A store that was emptied counts anew, and may come to the same number.
        """
        revision = await self.documents.revision()
        if revision == self._seen and not (told or self._lost):
            return False
        # Every write counts it up, one that deletes too; what is revoked is written to the same store, at any time.
        lost = revision == 0 if not self._marked else not await self.documents.all(IMPORTED)
        if lost and self._seen > 0:
            # The store was emptied, and nobody has asked for that.
            if not self._lost:
                log.error("what was stored in %s is not there any more; it is served on: import it again", self._place)
            self._lost = True
            return False
        return self._lost or told or revision != self._seen

    async def read(self, env: Mapping[str, str]) -> Parsed:
        """All that is stored; `env` fills in `${NAME}`. What cannot be used is a finding. Raises StoreUnavailable."""
        # First: what is stored while this reads counts as a change.
        revision = await self.documents.revision()
        kinds = (API, ACCESS_KEY, MANAGEMENT_TOKEN, DOMAIN_NAME, API_KEY, USAGE_PLAN)
        documents, keys, tokens, names, caller_keys, plans = [await self.documents.all(kind) for kind in kinds]
        self._marked = bool(await self.documents.all(IMPORTED))
        self._seen, self._lost = revision, False
        source = Source(f"stored in {self._place}")
        findings: list[Finding] = []
        sources: dict[Path, Source] = {}
        apis: list[dict[str, Any]] = []
        for name, body in documents.items():
            sources["apis", name] = source
            if (document := _api(name, body, findings)) is not None:
                apis.append(document)
        access_keys = []
        for name, body in keys.items():
            sources["accessKeys", name] = source
            if (key := _access_key(name, body, env, findings)) is not None:
                access_keys.append(key)
        domain_names = []
        for name, body in names.items():
            sources["domainNames", name] = source
            if (domain := _domain_name(name, body, findings)) is not None:
                domain_names.append(domain)
        api_keys = []
        for name, body in caller_keys.items():
            sources["apiKeys", name] = source
            if (api_key := _api_key(name, body, env, findings)) is not None:
                api_keys.append(api_key)
        usage_plans = []
        for name, body in plans.items():
            sources["usagePlans", name] = source
            if (plan := _usage_plan(name, body, findings)) is not None:
                usage_plans.append(plan)
        path: Path = ("managementTokens",)
        management_tokens = [filled(body.decode(errors="replace"), env, path, findings) for body in tokens.values()]
        return Parsed(
            tuple(apis),
            tuple(access_keys),
            tuple(management_tokens),
            tuple(map(source.placed, findings)),
            sources,
            tuple(domain_names),
            tuple(api_keys),
            tuple(usage_plans),
        )


def api_body(document: Mapping[str, Any], stage: str) -> bytes:
    """`document` as it is stored: with the stage `stage` if it names none, whoever serves it."""
    return orjson.dumps({**document, "stages": document.get("stages") or [{"stageName": stage_of(document, stage)}]})


def domain_name_body(domain: DomainName) -> bytes:
    return msgspec.json.encode(domain)


def access_key_body(key: AccessKey) -> bytes:
    return msgspec.json.encode(key)


def api_key_body(key: ApiKey) -> bytes:
    return orjson.dumps(api_key_document(key))


def usage_plan_body(plan: UsagePlan) -> bytes:
    return orjson.dumps(usage_plan_document(plan))


def token_documents(tokens: Sequence[str]) -> dict[str, bytes]:
    """By name: one that is the token's own, and does not show it."""
    return {hashlib.sha256(token.encode()).hexdigest()[:16]: token.encode() for token in tokens}


def _api(name: str, body: bytes, findings: list[Finding]) -> dict[str, Any] | None:
    """The document of the API `name`; None, and a finding, for what nothing can be made of."""
    try:
        document = orjson.loads(body)
        if api_id_of(document) != name:
            raise ValueError("its apiId is another")
        if not broken(document):
            freeze(document)
    except (DefinitionError, LookupError, TypeError, ValueError, AttributeError) as fault:
        message = f"the stored document cannot be read ({type(fault).__name__}: {fault})"
        findings.append(error(("apis", name), message, "import the API again"))
        return None
    assert isinstance(document, dict)
    return document


def _domain_name(name: str, body: bytes, findings: list[Finding]) -> DomainName | None:
    try:
        return msgspec.json.decode(body, type=DomainName)
    except msgspec.MsgspecError as fault:
        message = f"the stored document cannot be read ({fault})"
        findings.append(error(("domainNames", name), message, "import the domain name again"))
        return None


def _access_key(name: str, body: bytes, env: Mapping[str, str], findings: list[Finding]) -> AccessKey | None:
    path: Path = ("accessKeys", name)
    try:
        key = msgspec.json.decode(body, type=AccessKey)
    except msgspec.MsgspecError as fault:
        findings.append(error(path, f"the stored document cannot be read ({fault})", "import the key again"))
        return None
    secret = filled(key.secret, env, (*path, "secret"), findings)
    token = key.session_token
    if token is not None:
        token = filled(token, env, (*path, "sessionToken"), findings)
    return msgspec.structs.replace(key, secret=secret, session_token=token)


def _api_key(name: str, body: bytes, env: Mapping[str, str], findings: list[Finding]) -> ApiKey | None:
    path: Path = ("apiKeys", name)
    try:
        key = api_key_of(orjson.loads(body))
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError):
        # What is wrong is not said: it may hold the value.
        findings.append(error(path, "the stored document cannot be read", "import the key again"))
        return None
    if "${" not in key.value:
        return key
    return msgspec.structs.replace(key, value=filled(key.value, env, (*path, "value"), findings))


def _usage_plan(name: str, body: bytes, findings: list[Finding]) -> UsagePlan | None:
    try:
        return usage_plan_of(orjson.loads(body))
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, LookupError) as fault:
        message = f"the stored document cannot be read ({type(fault).__name__}: {fault})"
        findings.append(error(("usagePlans", name), message, "import the plan again"))
        return None
