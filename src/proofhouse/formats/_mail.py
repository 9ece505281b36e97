# SPDX-License-Identifier: Apache-2.0
"""Reports that come as e-mail (RFC 5322 files): the words, who wrote them, and what was attached.

Read with care for what people's programs really send: unknown character sets, parts within parts, HTML only. Markup is
never rendered: HTML without plain text beside it stays a file among the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import parseaddr

from proofhouse.formats._findings import PROSE_CHARS, TITLE_CHARS, FindingsError
from proofhouse.formats._plain import harmless_name, plain_line, plain_prose

MAX_MESSAGE_BYTES = 32 << 20
MAX_PARTS = 64

_FIELD = re.compile(r"(?im)^[ \t]*(product|version|identifier|class)[ \t]*:[ \t]*(\S[^\n]*)$")


@dataclass(frozen=True)
class MailedReport:
    """An e-mail, as intake reads it.

    Attributes:
        sender: Address in the From line; nobody has checked that it is true.
        title: The subject.
        words: The plain text.
        fields: What lines such as `Product: libxml2` say: `product`, `version`, `identifier`, `class`.
        files: Harmless name and bytes of each attachment.
    """

    sender: str
    title: str
    words: str
    fields: dict[str, str]
    files: tuple[tuple[str, bytes], ...]


def read_mail(content: bytes) -> MailedReport:
    """Read one message file.

    Raises:
        FindingsError: No message (`not_mail`), too large, or of more than 64 parts (`too_many_parts`).
    """
    if len(content) > MAX_MESSAGE_BYTES:
        raise FindingsError(
            f"the message has {len(content)} bytes; at most {MAX_MESSAGE_BYTES} are read", "too_large"
        )
    try:
        message = message_from_bytes(content, policy=policy.default.clone(raise_on_defect=False))
        parts = [part for part in _first(message) if not part.is_multipart()]
        sender = parseaddr(str(message.get("From", "")))[1]
        subject = str(message.get("Subject", ""))
    except FindingsError:
        raise
    except (ValueError, LookupError, RecursionError, AttributeError, IndexError, TypeError) as wrong:
        raise FindingsError(f"this is no message that can be read: {wrong}", "not_mail") from None
    if not sender and not subject:
        raise FindingsError("this is no message: it has neither sender nor subject", "not_mail")
    words: list[str] = []
    files: list[tuple[str, bytes]] = []
    for part in parts:
        if part.get_content_type() == "text/plain" and part.get_content_disposition() != "attachment":
            words.append(_text(part))
        else:
            name = part.get_filename() or f"part.{part.get_content_subtype()}"
            files.append((harmless_name(str(name)), _payload(part)))
    text = plain_prose("\n".join(words), PROSE_CHARS)
    return MailedReport(
        sender=plain_line(sender, 254),
        title=plain_line(subject, TITLE_CHARS) or "A report by e-mail",
        words=text,
        fields={name.lower(): plain_line(said, TITLE_CHARS) for name, said in _FIELD.findall(text)},
        files=tuple(files),
    )


def _first(message: EmailMessage | Message) -> list[Message]:
    parts: list[Message] = []
    for part in message.walk():
        parts.append(part)
        if len(parts) > MAX_PARTS:
            raise FindingsError(f"the message has more than {MAX_PARTS} parts", "too_many_parts")
    return parts


def _payload(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(part: Message) -> str:
    content = _payload(part)
    for charset in (part.get_content_charset() or "utf-8", "utf-8"):
        try:
            return content.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("latin-1")  # every byte has a meaning there, if a wrong one
