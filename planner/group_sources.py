"""Pass 6: whose packets each group lets in.

Needs      ``draft.audiences``; the parent's groups.
Adds       ``draft.sources``; ``draft.fresh_sources``, those that the parent did not have.
Promises   every live member counts, parked ones too, so that stopping and starting an instance moves no filter; a
           group that lost its last member keeps the sources it had.
"""

from attrs import evolve

from blueprints.blueprint import GroupSources, PlannedGroup
from planner.draft import Audience, Draft


def gather_sources(draft: Draft) -> Draft:
    """Return *draft* with the sources that the live members of each group ask for."""
    sources = {group: _asked(audience, draft.before.get(group)) for group, audience in draft.audiences.items()}
    fresh = {
        group: _fresh(now, draft.before[group].sources) for group, now in sources.items() if group in draft.before
    }
    return evolve(draft, sources=sources, fresh_sources=fresh)


def _fresh(now: GroupSources, before: GroupSources) -> GroupSources:
    """Return what is in *now* and was not there *before*."""
    if now == before:
        return _NOTHING
    return GroupSources(any=now.any and not before.any, specific=set(now.specific) - set(before.specific))


_NOTHING = GroupSources(any=False, specific=())


def _asked(audience: Audience, before: PlannedGroup | None) -> GroupSources:
    if not audience.peopled and before is not None:
        return before.sources
    return GroupSources(any=audience.any_source, specific=audience.sources)
