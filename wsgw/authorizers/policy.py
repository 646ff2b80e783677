"""IAM policy documents: compiled once, evaluated per request, without I/O and without a clock.

An explicit Deny wins over any Allow, and what nothing allows is denied.
Source: IAM User Guide, "IAM JSON policy elements reference" and "Policy evaluation logic".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from wsgw.authorizers.conditions import Test, condition
from wsgw.authorizers.patterns import Context, Matcher, Pattern
from wsgw.authorizers.principals import anybody, principal

_VERSION_WITH_VARIABLES: Final = "2012-10-17"
_VERSIONS: Final = (_VERSION_WITH_VARIABLES, "2008-10-17")
_STATEMENT_MEMBERS: Final = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)


class PolicyError(ValueError):
    """A document is no IAM policy. `faults` says everything that is wrong with it, each with its place."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


class Decision(Enum):
    """What policies say about a request."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class Names(NamedTuple):
    """What a resource is called that has more than one name: `own`, which mean it, and `every` that may mean it."""

    own: tuple[str, ...]
    every: tuple[str, ...]


class _Statement:
    """One statement, ready. `resources` are tested as they are, `patterns` only once their variables have values."""

    __slots__ = ("actions", "conditions", "deny", "not_action", "not_resource", "patterns", "principals", "resources")

    def __init__(self, deny: bool) -> None:
        self.deny = deny
        self.not_action = self.not_resource = False
        self.actions: list[Matcher] = []
        self.resources: list[Matcher] = []
        self.patterns: list[Pattern] = []
        self.principals: Test | None = None
        self.conditions: list[Test] = []

    @property
    def uses_context(self) -> bool:
        return bool(self.patterns or self.conditions or self.principals)

    def applies(self, action: str, resource: str, context: Context, names: Names | None) -> bool:
        """`action` is in lower case."""
        if any(test(action) for test in self.actions) is self.not_action:
            return False
        texts: Sequence[str] = (resource,)
        if names is not None:
            # What shuts out does so by any name: a deny, and what an allowance excepts.
            texts = names.every if self.deny is not self.not_resource else names.own
        if not self._resource_applies(texts, context):
            return False
        if self.principals is not None and not self.principals(context):
            return False
        return all(test(context) for test in self.conditions)

    def _resource_applies(self, texts: Sequence[str], context: Context) -> bool:
        for resource in texts:
            if any(test(resource) for test in self.resources):
                return not self.not_resource
        unknown = False
        for pattern in self.patterns:
            test = pattern.ready(context)
            unknown = unknown or test is None
            if test is not None and any(map(test, texts)):
                return not self.not_resource
        if unknown and self.not_resource:
            # It cannot be told what is excepted: such a statement denies everything and allows nothing.
            return self.deny
        return self.not_resource


class Policy:
    """A compiled policy document. `uses_context`: its decisions depend on more than action and resource."""

    __slots__ = ("statements", "uses_context")

    def __init__(self, statements: Sequence[_Statement]) -> None:
        self.statements = tuple(statements)
        self.uses_context = any(statement.uses_context for statement in statements)


def evaluate(
    policies: Sequence[Policy],
    action: str,
    resource: str,
    context: Context | Mapping[str, str | Sequence[str]],
    names: Names | None = None,
) -> Decision:
    """What `policies` together say about `action` on `resource`.

    context: condition keys (`aws:SourceIp`, …; their case is ignored) with their value or values. Principal elements
    are compared with `aws:PrincipalArn` and its account. names: of a resource that has more than the one.
    """
    facts = context if isinstance(context, Context) else Context(context)
    action = action.lower()
    decision = Decision.IMPLICIT_DENY
    for policy in policies:
        for statement in policy.statements:
            if decision is Decision.ALLOW and not statement.deny:
                continue
            if statement.applies(action, resource, facts, names):
                if statement.deny:
                    return Decision.EXPLICIT_DENY
                decision = Decision.ALLOW
    return decision


def compile_policy(document: Mapping[str, Any]) -> Policy:
    """Make a policy document (parsed JSON) ready. Raises PolicyError.

    Policy variables have a meaning only under Version 2012-10-17, as in IAM; a document without Version is a 2008 one.
    """
    if not isinstance(document, Mapping):
        raise PolicyError(["a policy is an object"])
    faults = [f"{name}: there is no such member" for name in document if name not in ("Version", "Id", "Statement")]
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        faults.append(f"Version: {version!r} is neither {' nor '.join(_VERSIONS)}")
    given = document.get("Statement")
    many = isinstance(given, list)
    statements = []
    for index, member in enumerate(given if isinstance(given, list) else [given]):
        place = f"Statement[{index}]" if many else "Statement"
        if not isinstance(member, Mapping):
            faults.append(f"{place}: expected an object")
            continue
        statements.append(_Compiler(place, faults, version == _VERSION_WITH_VARIABLES).statement(member))
    if faults:
        raise PolicyError(faults)
    return Policy(statements)


class _Compiler:
    """Compiles one statement and notes what is wrong with it in `faults`."""

    def __init__(self, place: str, faults: list[str], variables: bool) -> None:
        self._place = place
        self._faults = faults
        self._variables = variables

    def statement(self, member: Mapping[str, Any]) -> _Statement:
        for name in member:
            if name not in _STATEMENT_MEMBERS:
                self._fault(str(name), "there is no such member")
        effect = member.get("Effect")
        if effect not in ("Allow", "Deny"):
            self._fault("Effect", "expected Allow or Deny")
        statement = _Statement(deny=effect == "Deny")
        name = self._one_of(member, "Action", "NotAction")
        statement.not_action = name == "NotAction"
        for pattern in self._patterns(member, name, variables=False, fold=True):
            if pattern.fixed is not None:
                statement.actions.append(pattern.fixed)
        name = self._one_of(member, "Resource", "NotResource")
        statement.not_resource = name == "NotResource"
        for pattern in self._patterns(member, name, variables=self._variables, fold=False):
            if pattern.fixed is not None:
                statement.resources.append(pattern.fixed)
            else:
                statement.patterns.append(pattern)
        statement.principals = self._principals(member)
        statement.conditions = self._conditions(member.get("Condition", {}))
        return statement

    def _fault(self, place: str, text: str) -> None:
        self._faults.append(f"{self._place}.{place}: {text}")

    def _one_of(self, member: Mapping[str, Any], name: str, negation: str) -> str:
        if (name in member) is (negation in member):
            self._fault(name, f"expected either {name} or {negation}")
        return negation if negation in member else name

    def _patterns(self, member: Mapping[str, Any], name: str, *, variables: bool, fold: bool) -> list[Pattern]:
        patterns = []
        for text in self._texts(name, member[name]) if name in member else ():
            try:
                patterns.append(Pattern(text, variables=variables, fold=fold))
            except ValueError as error:
                self._fault(name, str(error))
        return patterns

    def _texts(self, place: str, value: Any) -> list[str]:
        """A text or list of texts as a list; an empty one would make a statement that can never apply."""
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(text, str) and text for text in values):
            self._fault(place, "expected a text or a list of texts")
            return []
        return values

    def _principals(self, member: Mapping[str, Any]) -> Test | None:
        if "Principal" in member and "NotPrincipal" in member:
            self._fault("Principal", "expected either Principal or NotPrincipal")
        name = "NotPrincipal" if "NotPrincipal" in member else "Principal"
        if name not in member:
            return None
        value = member[name]
        tests: list[Test] = []
        if value == "*":
            tests.append(anybody)
        elif not isinstance(value, Mapping) or not value:
            self._fault(name, 'expected "*" or an object')
        else:
            for kind, names in value.items():
                place = f"{name}.{kind}"
                for text in self._texts(place, names):
                    try:
                        tests.append(principal(str(kind), text))
                    except ValueError as error:
                        self._fault(place, str(error))
        negated = name == "NotPrincipal"
        if anybody in tests and not negated:
            # Who it is makes no difference: the decision may be made once.
            return None
        return lambda context: any(test(context) for test in tests) is not negated

    def _conditions(self, block: Any) -> list[Test]:
        tests: list[Test] = []
        if not isinstance(block, Mapping):
            self._fault("Condition", "expected an object")
            return tests
        for operator, keys in block.items():
            place = f"Condition.{operator}"
            if not isinstance(keys, Mapping):
                self._fault(place, "expected an object")
                continue
            for key, value in keys.items():
                values = self._values(f"{place}.{key}", value)
                try:
                    tests.append(condition(str(operator), str(key), values, variables=self._variables))
                except ValueError as error:
                    self._fault(f"{place}.{key}", str(error))
        return tests

    def _values(self, place: str, value: Any) -> list[str]:
        """The values of a condition as texts; JSON's booleans and numbers mean what they look like."""
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(item, str | bool | int | float) for item in values):
            self._fault(place, "expected a text, number or boolean, or a list of them")
            return []
        return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
