"""Seals: a place says that it holds all of a content, and how that was proven."""

from dataclasses import dataclass
from datetime import datetime

from imgrepl.layout.content import Buffer
from imgrepl.layout.documents import decode_document, encode_document, field_corrupt
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
    """The seal in `data`. Raises `Corrupt` (`DocumentCorrupt`) and `Invalid`."""
    body = decode_document("seal", data)
    try:
        proof = Proof(
            ProofLevel[str(body["proof"]).upper()], datetime.fromisoformat(str(body["at"]))
        )
        return Seal(
            content_id=ContentId(str(body["contentId"])),
            revision=int(body["revision"]),
            proof=proof,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise field_corrupt("seal", error) from error
