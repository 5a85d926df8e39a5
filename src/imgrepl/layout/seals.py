"""Seals: a place says that it holds all of a content, and how that was proven."""

from dataclasses import dataclass
from datetime import UTC, datetime

from imgrepl.layout.content import Buffer
from imgrepl.layout.documents import (
    HEX_64,
    decode_document,
    encode_document,
    field_corrupt,
    field_unknown,
    identifier,
    number,
    proven,
)
from imgrepl.layout.keys import NUMBER_MAX
from imgrepl.model.ids import ContentId
from imgrepl.model.proof import Proof, ProofLevel


@dataclass(frozen=True, kw_only=True)
class Seal:
    """One revision of a content's seal; `proof` is the weakest among its packs at that time."""

    content_id: ContentId
    revision: int
    proof: Proof


def encode_seal(seal: Seal) -> bytes:
    """The bytes of a seal."""
    return encode_document(
        "seal",
        {
            "contentId": seal.content_id,
            "revision": seal.revision,
            "proof": seal.proof.level.name.lower(),
            "at": seal.proof.at.isoformat(),
        },
    )


def decode_seal(data: Buffer) -> Seal:
    """The seal in `data`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid` (`FormatUnknown`)."""
    body = decode_document("seal", data)
    try:
        level = str(body["proof"]).upper()
        if level not in ProofLevel.__members__:
            raise field_unknown("seal", f"proof {body['proof']}")
        seal = Seal(
            content_id=ContentId(identifier(body["contentId"], HEX_64)),
            revision=number(body["revision"], NUMBER_MAX),
            proof=Proof(ProofLevel[level], _moment(body["at"])),
        )
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise field_corrupt("seal", error) from error
    return proven("seal", seal, encode_seal, data)


def _moment(text: str) -> datetime:
    """A time with its zone, which has one in UTC too."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no zone")
    moment.astimezone(UTC)
    return moment
