"""IAM policy documents: compiled once, evaluated per request, without I/O and without a clock.

An explicit Deny wins over any Allow, and what nothing allows is denied.
Source: IAM User Guide, "IAM JSON policy elements reference" and "Policy evaluation logic".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, NamedTuple

from wsgw.authorizers.conditions import Test, condition
from wsgw.authorizers.patterns import Context, Matcher, Pattern
from wsgw.authorizers.principals import anybody, principal

_VERSION_WITH_VARIABLES: Final = "2012-10-17"
_VERSIONS: Final = (_VERSION_WITH_VARIABLES, "2008-10-17")
_STATEMENT_MEMBERS: Final = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)


#: What a request must pass, every one of them.
Tests = tuple[Test, ...]


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
    """One statement, ready. `resources` are tested as they are, `patterns` only once their variables have values.

    `tests`: what it says of the request beside its name, by Principal and Condition.
    """

    __slots__ = ("actions", "deny", "not_action", "not_resource", "patterns", "resources", "tests")

    def __init__(self, deny: bool) -> None:
        self.deny = deny
        self.not_action = self.not_resource = False
        self.actions: list[Matcher] = []
        self.resources: list[Matcher] = []
        self.patterns: list[Pattern] = []
        self.tests: Tests = ()

    def left(self, action: str, resource: str, names: Names | None) -> Tests | None:
        """What a request must pass for the statement to apply to it; None where it applies to none of this name.

        `action` is in lower case.
        """
        if any(test(action) for test in self.actions) is self.not_action:
            return None
        texts: Sequence[str] = (resource,)
        if names is not None:
            # What shuts out does so by any name: a deny, and what an allowance excepts.
            texts = names.every if self.deny is not self.not_resource else names.own
        if any(test(text) for text in texts for test in self.resources):
            return None if self.not_resource else self.tests
        if self.patterns:
            return (partial(self._is_named, texts), *self.tests)
        return self.tests if self.not_resource else None

    def _is_named(self, texts: Sequence[str], context: Context) -> bool:
        """Whether it applies to `texts`, which are none of its `resources`, once variables have their values."""
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
    """A compiled policy document. `has_variables`: in names of resources."""

    __slots__ = ("has_variables", "statements")

    def __init__(self, statements: Sequence[_Statement]) -> None:
        self.statements = tuple(statements)
        self.has_variables = any(statement.patterns for statement in statements)


class Outlook(NamedTuple):
    """What policies say about one action on one resource before anything is known of the request.

    `decision`, unless a request passes all tests of one of `denies`, or of `allows`. Where there are none of either it
    is the same for every request.
    """

    decision: Decision
    denies: tuple[Tests, ...] = ()
    allows: tuple[Tests, ...] = ()

    def decide(self, context: Context) -> Decision:
        """What they say about a request of which `context` is known."""
        for tests in self.denies:
            if _passes(tests, context):
                return Decision.EXPLICIT_DENY
        for tests in self.allows:
            if _passes(tests, context):
                return Decision.ALLOW
        return self.decision


def _passes(tests: Tests, context: Context) -> bool:
    # A generator would cost as much as a test does.
    for test in tests:  # noqa: SIM110
        if not test(context):
            return False
    return True


def outlook(policies: Sequence[Policy], action: str, resource: str, names: Names | None = None) -> Outlook:
    """What `policies` together say about `action` on `resource`. names: of a resource that has more than the one."""
    action = action.lower()
    decision = Decision.IMPLICIT_DENY
    denies: list[Tests] = []
    allows: list[Tests] = []
    for policy in policies:
        for statement in policy.statements:
            tests = statement.left(action, resource, names)
            if tests:
                (denies if statement.deny else allows).append(tests)
            elif tests is not None:
                if statement.deny:
                    return Outlook(Decision.EXPLICIT_DENY)
                decision = Decision.ALLOW
    return Outlook(decision, tuple(denies), () if decision is Decision.ALLOW else tuple(allows))


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
    found = outlook(policies, action, resource, names)
    return found.decide(context if isinstance(context, Context) else Context(context))


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
        statement.tests = (*self._principals(member), *self._conditions(member.get("Condition", {})))
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

    def _principals(self, member: Mapping[str, Any]) -> Tests:
        """Whether it is one of whom it means: one test, or none where that makes no difference."""
        if "Principal" in member and "NotPrincipal" in member:
            self._fault("Principal", "expected either Principal or NotPrincipal")
        name = "NotPrincipal" if "NotPrincipal" in member else "Principal"
        if name not in member:
            return ()
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
            return ()
        return (lambda context: any(test(context) for test in tests) is not negated,)

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
