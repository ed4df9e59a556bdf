"""What there is to buy."""

import sys

from wit_world import exports
from wit_world.exports.catalog import Item

ITEMS = {
    "kelp": 250,
    "pearl": 9900,
    "sea glass": 1225,
}


class Catalog(exports.Catalog):
    def items(self) -> list[Item]:
        return [Item(name, cents) for name, cents in ITEMS.items()]

    def find(self, name: str) -> Item | None:
        cents = ITEMS.get(name)
        return None if cents is None else Item(name, cents)

    def language(self) -> str:
        return f"Python {sys.version.split()[0]}"
