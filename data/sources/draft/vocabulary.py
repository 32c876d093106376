"""The words by which columns, and the actions in a label, are known; several languages.

A name is compared word by word: ``srch_id``, ``SearchID`` and ``search-id:token`` are the words
``srch``/``search`` and ``id``. Names only propose: the values of a column decide.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = [
    "ACTIONS",
    "NOUNS",
    "STEPS",
    "STRANGER",
    "action_of",
    "noun_rank",
    "noun_score",
    "words_of",
]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ID = frozenset(_words("id ids key code no nr number uuid guid hash token num"))

# What an identity is called, the surest words first.
NOUNS: dict[str, tuple[str, ...]] = {
    "id_search": _words("""
        search srch query request busqueda pesquisa recherche suche ricerca поиск запрос
        impression session sess visit sesion sitzung sessao сессия
    """),
    "id_user": _words("""
        user guest visitor customer member client uid usuario huesped hospede cliente gast kunde
        nutzer benutzer utilisateur voyageur utente пользователь гость account person profile
        userid
    """),
    "id_listing": _words("""
        listing property prop hotel accommodation room item product aid offer stay anuncio
        alojamiento imovel unterkunft hebergement annonce alloggio объект отель apartment house
        movie news article sku asin ad poi book track document itemid listingid productid hotelid
    """),
    "query_market": _words("""
        market city town municipality cidade ciudad stadt ville citta город country pais land pays
        paese страна region destination area location platform site domain
    """),
    "ts_search": _words("""
        timestamp ts datetime time at searched created date fecha hora zeit zeitpunkt zeitstempel
        datum heure horodatage data ora время дата moment when
    """),
}
# Columns that name each search of a session.
STEPS = frozenset(_words("step page seq sequence request query search turn"))
# Words that say that a column is about the guest's own place, or is no place at all.
STRANGER = frozenset(
    _words("""
        visitor user guest origin orig home residence billing language lang ip browser review
        reviews rating score scores
    """)
)

# Words of an action; a click is anything that opens one listing.
ACTIONS: dict[str, frozenset[str]] = {
    "booked": frozenset(
        _words("""
            book booked booking bookings order orders ordered purchase purchased purchases buy
            bought sold sale transaction reservation reserved reserve reservado reserva comprado
            compra gebucht buchung gekauft kauf achat achete prenotato prenotazione бронь
            бронирование заказ покупка
        """)
    ),
    "contacted": frozenset(
        _words("""
            contact contacted contacts inquiry enquiry inquired message messaged messaging contacto
            contato anfrage kontakt contatto сообщение cart carts addtocart basket checkout
        """)
    ),
    "clicked": frozenset(
        _words("""
            click clicked clicks clickout clickouts clic klick geklickt clique clicado cliqueado
            cliccato клик select selected open opened view_item detail pv pdp tap tapped
        """)
    ),
    "impressed": frozenset(
        _words("""
            impress impressed impression impressions imp shown show displayed display exposure
            exposed none vista mostrado exibido angezeigt affiche показ search_result
        """)
    ),
}


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name, in lower case and without accents.

    >>> words_of("SearchID"), words_of("srch-id:token"), words_of("Größe_m2")
    (('search', 'id'), ('srch', 'id'), ('große', 'm2'))
    """
    # a type after a colon, as some tools write it, is no part of the name
    bare = re.sub(r"(?<=.):\w+$", "", name.strip())
    divided = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bare)
    plain = unicodedata.normalize("NFKD", divided)
    letters = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    return tuple(re.findall(r"[^\W_]+", letters))


def noun_score(name: str, target: str) -> int:
    """How well the name fits the target, by its words alone; 0: not at all.

    >>> [noun_score(name, "id_search") for name in ("search_id", "srch_room_count", "session", "x")]
    [180, 99, 128, 0]
    """
    words = words_of(name)
    nouns = NOUNS[target]
    score = noun_rank(name, target)
    if not score:
        return 0
    rest = [word for word in words if word not in nouns]
    if not rest:
        return score + 40
    return score + (80 if all(word in _ID for word in rest) else 0)


def noun_rank(name: str, target: str) -> int:
    """How early the first of the target's nouns stands that the name has; 0: it has none.

    >>> [noun_rank(name, "query_market") for name in ("prop_country_id", "site_id", "price")]
    [90, 79, 0]
    """
    nouns = NOUNS[target]
    places = [nouns.index(word) for word in words_of(name) if word in nouns]
    return 100 - min(places) if places else 0


def action_of(text: str) -> str | None:
    """The label that a word of the log stands for, ``None`` when it says none.

    >>> [action_of(text) for text in ("clickout item", "add_to_cart", "Orders", "logout")]
    ['clicked', 'contacted', 'booked', None]
    """
    words = words_of(text)
    joined = "_".join(words)
    for action, known in ACTIONS.items():
        if joined in known or any(word in known for word in words):
            return action
    return None
