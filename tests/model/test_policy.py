"""Who may do what: Azure's matrix, its roles, direct shares and community galleries."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrepl.errors import Invalid
from imgrepl.model.gallery import DefinitionId, GalleryId, VersionId, VersionName
from imgrepl.model.policy import (
    ACTIONS_OF,
    Action,
    Scope,
    ScopedGrant,
    Standing,
    Via,
    decide,
    roles_with,
)
from imgrepl.model.sharing import (
    Assignee,
    Caller,
    CommunityInfo,
    ConsumerKind,
    Grant,
    Invitation,
    InvitationState,
    Role,
    SharingPermission,
    SharingProfile,
    grants_of_json,
    grants_to_json,
    profile_of_json,
    profile_to_json,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GALLERY = GalleryId(gallery="golden")
DEFINITION = GALLERY.definition("debian")
VERSION = DEFINITION.version(VersionName(1, 0, 0))
OTHER_VERSION = DEFINITION.version(VersionName(1, 0, 1))
OTHER_DEFINITION = GALLERY.definition("ubuntu")
OTHER_GALLERY = GalleryId(gallery="silver")
ALICE = Caller(name="alice")
READ = {
    GalleryId: Action.GALLERY_READ,
    DefinitionId: Action.DEFINITION_READ,
    VersionId: Action.VERSION_READ,
}


def granted(
    scope: GalleryId | DefinitionId | VersionId, role: Role = Role.READER, to: str = "alice"
) -> ScopedGrant:
    grant = Grant(assignee=Assignee.parse(to), role=role, granted_by="root", granted_at=NOW)
    return ScopedGrant(scope=scope, grant=grant)


def standing(*grants: ScopedGrant, **sharing: SharingProfile) -> Standing:
    shared = {GalleryId(gallery=name): profile for name, profile in sharing.items()}
    return Standing(owner="root", grants=grants, sharing=shared)


def invited(state: InvitationState, kind: ConsumerKind, consumer: str) -> SharingProfile:
    one = Invitation(kind=kind, consumer=consumer, state=state, invited_by="root", invited_at=NOW)
    return SharingProfile(permissions=SharingPermission.GROUPS, invitations=(one,))


def community(*, enabled: bool) -> SharingProfile:
    info = CommunityInfo(
        publisher_uri="https://contoso.example",
        publisher_contact="images@contoso.example",
        eula="https://contoso.example/eula",
        public_name_prefix="contoso",
        public_name="contoso-0123",
        enabled=enabled,
    )
    return SharingProfile(permissions=SharingPermission.COMMUNITY, community=info)


@pytest.mark.parametrize(
    ("at", "seen"),
    [
        (GALLERY, {GALLERY, DEFINITION, OTHER_DEFINITION, VERSION, OTHER_VERSION}),
        (DEFINITION, {DEFINITION, VERSION, OTHER_VERSION}),
        (VERSION, {VERSION}),
    ],
    ids=["gallery", "definition", "version"],
)
def test_a_grant_is_seen_where_the_matrix_says_so_and_nowhere_else(
    at: GalleryId | DefinitionId | VersionId, seen: set[Scope]
) -> None:
    everything = (GALLERY, DEFINITION, OTHER_DEFINITION, VERSION, OTHER_VERSION, OTHER_GALLERY)
    found = {
        scope
        for scope in everything
        if decide(ALICE, READ[type(scope)], scope, standing(granted(at))).allowed
    }
    assert found == seen


ROLES = {
    # action: Owner, Contributor, Reader, Compute Gallery Sharing Admin
    Action.GALLERY_READ: "OCRS",
    Action.GALLERY_WRITE: "OC",
    Action.GALLERY_DELETE: "OC",
    Action.GALLERY_SHARE: "OS",
    Action.GALLERY_SOFT_DELETE: "OS",
    Action.DEFINITION_READ: "OCR",
    Action.DEFINITION_WRITE: "OC",
    Action.DEFINITION_DELETE: "OC",
    Action.VERSION_READ: "OCR",
    Action.VERSION_WRITE: "OC",
    Action.VERSION_DELETE: "OC",
    Action.VERSION_LINK: "OC",
    Action.GRANT_READ: "OCR",
    Action.GRANT_WRITE: "O",
    Action.ACTIVITY_READ: "OCR",
    Action.INDEX_WRITE: "",
}
LETTERS = dict(zip("OCRS", Role, strict=True))


@pytest.mark.parametrize(("action", "letters"), ROLES.items(), ids=str)
def test_a_role_allows_what_azures_allows(action: Action, letters: str) -> None:
    scope = None if action is Action.INDEX_WRITE else GALLERY
    for letter, role in LETTERS.items():
        decision = decide(ALICE, action, scope, standing(granted(GALLERY, role)))
        assert decision.allowed is (letter in letters), role
        assert decision.roles_needed == tuple(LETTERS[one] for one in letters)


def test_every_action_is_in_the_table_of_roles() -> None:
    of_no_role = {Action.INDEX_READ, Action.INVITATION_ANSWER}
    assert set(ROLES) | of_no_role == set(Action)
    assert not set(ROLES) & of_no_role
    assert set(ACTIONS_OF) == set(Role)


def test_who_has_anything_may_look_at_the_index_and_nobody_else_may() -> None:
    accepted = invited(InvitationState.ACCEPTED, ConsumerKind.SUBSCRIPTION, "contoso")
    of_contoso = Caller(name="bob", subscription="contoso")

    assert decide(ALICE, Action.INDEX_READ, None, standing(granted(VERSION))).allowed
    assert decide(of_contoso, Action.INDEX_READ, None, standing(golden=accepted)).allowed
    assert not decide(ALICE, Action.INDEX_READ, None, standing(golden=accepted)).allowed
    assert not decide(ALICE, Action.VERSION_READ, None, standing(granted(GALLERY))).allowed


def test_the_owner_of_the_index_may_do_everything_everywhere() -> None:
    owner = Caller(name="root", owns_index=True)
    for action, scope in product(Action, (None, GALLERY, DEFINITION, VERSION)):
        decision = decide(owner, action, scope, Standing(owner="root"))
        assert (decision.allowed, decision.via) == (True, Via.OWNERSHIP)


def test_names_and_groups_compare_without_case() -> None:
    assert decide(
        Caller(name="Alice"), Action.VERSION_READ, VERSION, standing(granted(GALLERY))
    ).allowed
    by_group = standing(granted(GALLERY, to="group:Operators"))
    member = Caller(name="bob", groups=("operators",))
    assert decide(member, Action.VERSION_READ, VERSION, by_group).allowed
    assert not decide(Caller(name="operators"), Action.VERSION_READ, VERSION, by_group).allowed
    upper = GalleryId(gallery="GOLDEN").definition("Debian")
    assert decide(ALICE, Action.DEFINITION_READ, upper, standing(granted(DEFINITION))).allowed


@pytest.mark.parametrize("state", InvitationState)
@pytest.mark.parametrize("kind", ConsumerKind)
def test_a_direct_share_lets_members_read_once_it_was_accepted(
    state: InvitationState, kind: ConsumerKind
) -> None:
    profile = invited(state, kind, "contoso")
    of_subscription = kind is ConsumerKind.SUBSCRIPTION
    member = (
        Caller(name="bob", subscription="Contoso")
        if of_subscription
        else Caller(name="bob", tenant="Contoso")
    )
    there = standing(golden=profile)

    read = decide(member, Action.VERSION_READ, VERSION, there)
    write = decide(member, Action.VERSION_WRITE, VERSION, there)

    assert read.allowed is (state is InvitationState.ACCEPTED)
    assert not write.allowed
    assert "contoso" in (read if not read.allowed else write).reasons[0]
    assert not decide(ALICE, Action.VERSION_READ, VERSION, there).allowed
    assert not decide(member, Action.GRANT_READ, GALLERY, there).allowed
    assert not decide(member, Action.VERSION_READ, VERSION, standing(silver=profile)).allowed


def test_a_community_gallery_is_for_everybody_to_read_while_it_is_enabled() -> None:
    for scope in (GALLERY, DEFINITION, VERSION):
        decision = decide(ALICE, READ[type(scope)], scope, standing(golden=community(enabled=True)))
        assert (decision.allowed, decision.via) == (True, Via.COMMUNITY)
    write = decide(ALICE, Action.VERSION_WRITE, VERSION, standing(golden=community(enabled=True)))
    assert "only read" in write.reasons[0]
    closed = standing(golden=community(enabled=False))
    assert not decide(ALICE, Action.VERSION_READ, VERSION, closed).allowed


def test_a_refusal_says_why_each_grant_does_not_help_and_who_can_grant() -> None:
    there = standing(
        granted(VERSION, Role.CONTRIBUTOR),
        granted(GALLERY, Role.READER),
        granted(GALLERY, Role.OWNER, to="carol"),
        granted(DEFINITION, Role.OWNER, to="group:leads"),
    )

    at_version = decide(ALICE, Action.GRANT_WRITE, VERSION, there)
    at_gallery = decide(ALICE, Action.GALLERY_WRITE, GALLERY, there)
    nobody = decide(Caller(name="mallory"), Action.GALLERY_READ, GALLERY, there)

    assert at_version.reasons == (
        "alice has Reader on golden, which does not include roleAssignments/write",
        f"alice has Contributor on {VERSION}, which does not include roleAssignments/write",
    )
    assert at_version.grantors == ("root", "carol", "group:leads")
    assert at_gallery.reasons[1].endswith("which does not reach up to golden")
    assert at_gallery.grantors == ("root", "carol")
    assert nobody.reasons == ("nothing on golden is granted to mallory",)


SCOPES = st.sampled_from([GALLERY, DEFINITION, VERSION, OTHER_DEFINITION, OTHER_VERSION])
GRANTS = st.builds(
    granted, SCOPES, st.sampled_from(list(Role)), st.sampled_from(["alice", "bob", "group:ops"])
)


@given(
    st.lists(GRANTS, max_size=5),
    GRANTS,
    st.sampled_from(list(Action)),
    SCOPES,
    st.sampled_from([ALICE, Caller(name="bob", groups=("ops",)), Caller(name="eve")]),
)
def test_one_more_grant_never_takes_anything_away_and_strangers_get_nothing(
    grants: list[ScopedGrant], more: ScopedGrant, action: Action, scope: Scope, caller: Caller
) -> None:
    before = decide(caller, action, scope, standing(*grants))
    after = decide(caller, action, scope, standing(*grants, more))

    assert after.allowed or not before.allowed
    assert before.allowed is (before.via is Via.ROLE)
    assert before.reasons
    if before.allowed and action is not Action.INDEX_READ:
        assert before.role in roles_with(action)
    if caller.name == "eve":
        assert not after.allowed


@pytest.mark.parametrize(
    "text",
    ["", " ", "a b", "-a", "alice,", "alice,groups=x", "alice,tenant=a,tenant=b", "a" * 129, "é"],
)
def test_what_names_nobody_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Caller.parse(text)
    assert refused.value.code == "InvalidPrincipal"


def test_a_caller_reads_back_as_it_is_written() -> None:
    text = "alice@contoso.example,group=ops,group=leads,subscription=s-1,tenant=t"
    caller = Caller.parse(text)
    assert caller.groups == ("ops", "leads")
    assert (caller.subscription, caller.tenant) == ("s-1", "t")
    assert str(caller) == text
    assert not caller.owns_index


def test_roles_are_read_in_any_spelling() -> None:
    assert Role.parse("reader") is Role.READER
    assert Role.parse("compute-gallery-sharing-admin") is Role.SHARING_ADMIN
    with pytest.raises(Invalid, match="no role: Owner, Contributor, Reader"):
        Role.parse("god")


def test_grants_and_profiles_are_the_same_after_a_record() -> None:
    grants = (granted(GALLERY).grant, granted(GALLERY, Role.OWNER, to="group:ops").grant)
    assert grants_of_json(grants_to_json(grants)) == grants
    for profile in (
        SharingProfile(),
        invited(InvitationState.REJECTED, ConsumerKind.TENANT, "t"),
        community(enabled=True),
    ):
        assert profile_of_json(profile_to_json(profile)) == profile
