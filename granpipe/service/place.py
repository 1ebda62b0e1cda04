"""Where a browser says that a photograph was taken: fields of a form -> XMP to keep beside it."""

import math
from collections.abc import Mapping

from granpipe.photo.gps import MOST_ACCURACY
from granpipe.service.intake import RefusedError

# XMP specification, part 2, section 3.3 (Exif schema).
_PACKET = """\
<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"
   exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}"{accuracy}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
_FARTHEST = 1e9  # metres; browsers may say anything
_LIMITS = {"latitude": 90.0, "longitude": 180.0}


def place_in(form: Mapping[str, str]) -> bytes:
    """Return the XMP of a form's latitude, longitude (degrees) and accuracy (metres).

    Without latitude and longitude it is empty.

    Raises
    ------
    RefusedError
        They are no place.

    Examples
    --------
    >>> b'GPSLatitude="7,17.400000N"' in place_in({"latitude": "7.29", "longitude": "-80.5"})
    True
    """
    if not any(form.get(name) for name in _LIMITS):
        return b""
    degrees = {name: _number(form, name, limit) for name, limit in _LIMITS.items()}
    accuracy = form.get("accuracy") and _number(form, "accuracy", _FARTHEST)
    is_said = accuracy and 0 < accuracy <= MOST_ACCURACY
    return _PACKET.format(
        latitude=_minutes(degrees["latitude"], "NS"),
        longitude=_minutes(degrees["longitude"], "EW"),
        accuracy=f' exif:GPSHPositioningError="{accuracy:.1f}"' if is_said else "",
    ).encode()


def _number(form: Mapping[str, str], name: str, limit: float) -> float:
    try:
        number = float(form.get(name, ""))
    except ValueError:
        number = math.nan
    if not abs(number) <= limit:
        raise RefusedError(
            400, f"{name}: write a number" + f" up to {limit:g}" * (limit < math.inf)
        )
    return number


def _minutes(degrees: float, refs: str) -> str:
    """Return degrees as XMP has them.

    >>> _minutes(-0.9999999999, "NS")
    '1,0.000000S'
    """
    whole, part = divmod(round(abs(degrees) * 60_000_000), 60_000_000)
    return f"{whole},{part // 1_000_000}.{part % 1_000_000:06}{refs[degrees < 0]}"
