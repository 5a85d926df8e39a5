"""Text that people may see: passwords, tokens and signatures in it are left out."""

import re

HIDDEN = "***"

_USER_AND_PASSWORD = re.compile(r"(\w://[^\s/:@'\"]*):[^\s'\"]*@")
_NAMED = re.compile(
    r"(?i)(?<![a-z])((?:x-amz-)?(?:signature|security-token|credential)|sig|signature|sslpassword"
    r"|password|passwd|secret(?:_?access_?key)?|session_?token|token)"
    r"(\\?['\"]?\s*[=:]\s*b?\\?['\"]?)([^\s&,'\"}]+)"
)


def without_secrets(text: str) -> str:
    """`text` with `***` for the password of any URL, and for what signs or authorizes a request.

    Named values are known by their names: `X-Amz-Signature=`, `password=`, `token: ` and their kin.
    """
    if "://" in text:
        text = _USER_AND_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    return _NAMED.sub(rf"\1\2{HIDDEN}", text)
