"""The model card: what a stranger must know about a bundle, in the sections of Mitchell et al.

Model Cards for Model Reporting, doi:10.1145/3287560.3287596. Everything comes from the files of the bundle and from
what the recipe says of its network; what isn't known there is left out.
"""

from __future__ import annotations

from ..pages.document import Section, markdown
from .facts import Facts
from .front_matter import front_matter
from .network_card import network_sections
from .third_party_card import third_party_sections

__all__ = ["card_sections", "write_card"]


def write_card(facts: Facts) -> str:
    """Return the card of a bundle, whose other files are all in it, as Markdown with a YAML head."""
    title = f"# {facts.project.title}\n\n{facts.project.description}"
    own = [facts.model.name, "explainable"] if facts.model else []
    head = front_matter(facts, ["high-energy-physics", *own])
    return f"{head}\n{title}\n\n{markdown(card_sections(facts))}\n"


def card_sections(facts: Facts) -> list[Section]:
    """Return the card's sections; pictures are named relative to the bundle."""
    return network_sections(facts, facts.model) if facts.model else third_party_sections(facts)
