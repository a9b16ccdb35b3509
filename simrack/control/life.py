"""Life on order: events at once or at a time, and whole stories.

This file does not know what an event does.
"""

from attrs import define

from blueprints.errors import InputRejectedError, SilentError
from simrack.control.accepting import accepted
from simrack.life.events import EventReader
from simrack.life.player import Player
from simrack.populated import PopulatedPeers
from simrack.web.answers import NO_CONTENT, Answer, HttpError, answer, bad_request
from simrack.web.requests import Request, need
from simrack.web.router import Route


@define
class LifeControl:
    """Calls that let things happen."""

    player: Player
    reader: EventReader

    def routes(self) -> tuple[Route, ...]:
        """Return the table of calls."""
        return (
            Route("GET", "/events", lambda _: answer([entry.to_json() for entry in self.player.log])),
            Route("POST", "/events", self._play),
            Route("PUT", "/events", self._schedule_all),
            Route("DELETE", "/events", self._withdraw),
            Route("GET", "/peers", lambda _: answer(self._shown_peers())),
            Route("PUT", "/peers", self._populate),
        )

    async def _play(self, request: Request) -> Answer:
        """An event with a time is only scheduled."""
        body = request.json()
        event = accepted(lambda: self.reader.one(body, "event"))
        if event.at is not None:
            self.player.schedule(event)
            return answer(self.player.log[-1].to_json(), 202)
        try:
            await self.player.play(event)
        except InputRejectedError as error:
            raise bad_request(str(error)) from None
        except SilentError as error:
            raise HttpError(503, str(error)) from None
        return answer(self.player.log[-1].to_json())

    async def _schedule_all(self, request: Request) -> Answer:
        """What is due already takes place before the answer, unless time stands still otherwise."""
        body = request.json()
        events = accepted(lambda: self.reader.story(body, "story", self.player.life))
        self.player.withdraw()
        for event in events:
            self.player.schedule(event)
        await self.player.world.clock.advance(0)
        return NO_CONTENT

    def _withdraw(self, _: Request) -> Answer:
        self.player.withdraw()
        return NO_CONTENT

    def _populate(self, request: Request) -> Answer:
        """Peers that were made up before are forgotten either way."""
        populated = need(request.json(), "populated", bool)
        self.player.world.populated = PopulatedPeers() if populated else None
        return answer(self._shown_peers())

    def _shown_peers(self) -> dict[str, object]:
        made = self.player.world.populated
        if made is None:
            return {"populated": False}
        sleds = None if made.sleds is None else sorted(map(str, made.sleds))
        return {"populated": True, "builds": made.builds, "sleds": sleds}
