"""Numbers of tags that stay as they were checked: dicts in all but that nobody can change them."""

from __future__ import annotations

from typing import Any, NoReturn


class Fixed(dict[str, float]):
    """A dict that is read, compared, printed, copied and pickled as any, and refuses to be changed with TypeError.

    >>> limits = Fixed({"dog": 0.5})
    >>> limits, limits == {"dog": 0.5}, limits | {"rain": 0.4}
    ({'dog': 0.5}, True, {'dog': 0.5, 'rain': 0.4})
    """

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "rules and thresholds stay as they were checked, as what a tagger tells follows from them: make others, with "
            "rules.changed(threshold=0.9), or of single tags with dataclasses.replace(rules, thresholds={**rules.thresholds, 'dog': 0.9})"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Fixed], tuple[dict[str, float]]]:
        """For copies and pickles, which would set one item after the other."""
        return Fixed, (dict(self),)
