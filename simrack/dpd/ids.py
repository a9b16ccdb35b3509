"""The ids of groups, of which a switch has so many. This file does not know what a group is."""

from attrs import define, field


@define
class GroupIds:
    """A stack of 100 to 65534: the id freed last is given out first, and 65534 is the first of all."""

    freed: list[int] = field(factory=list)
    lowest: int = 65_535
    """Below it none was ever given out."""

    @property
    def left(self) -> int:
        """How many can still be given out."""
        return len(self.freed) + self.lowest - 100

    def take(self) -> int:
        """Return the next id; there has to be one."""
        if self.freed:
            return self.freed.pop()
        self.lowest -= 1
        return self.lowest

    def free(self, *ids: int) -> None:
        """Take *ids* back, the last on top."""
        self.freed.extend(ids)
