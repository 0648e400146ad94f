"""A raw-waveform net that begins as a mel filter bank, learns on from there, and hears textures: statistics of its bands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from earmark.models.layers.blocks import check_counts, check_length
from earmark.models.layers.filterbank import FilterBank, check_bank
from earmark.models.layers.texture import EDGES, SHORTEST, Texture, check_texture
from earmark.models.nets import net
from earmark.models.prediction import Prediction

UNIT = math.log(10)  # of the maps, 10 dB, as texture asks for


class BankTexture(nn.Module):
    """Waves (batch, samples) → Prediction: a learnt filter bank and statistics of its bands. See `banktexture`."""

    def __init__(self, bank: FilterBank, statistics: Texture):
        super().__init__()
        self.bank, self.texture = bank, statistics
        self.shortest = SHORTEST * bank.hop

    def forward(self, waves: Tensor) -> Prediction:
        check_length(waves.shape[-1], self.shortest, "samples")
        prediction: Prediction = self.texture(self.bank(waves)[:, None] / UNIT)
        return prediction


@net(paper="earmark", input="waves", parameters=372_362)
def banktexture(
    tags: int = 10,
    sample_rate: int = 16_000,
    filters: int = 64,
    low: float = 50.0,
    high: float | None = None,
    window: float = 0.025,
    hop: float = 0.010,
    stride: float = 0.002,
    floor: float = 1e-7,
    learn: bool = True,
    groups: int = 16,
    convolutions: Sequence[int] = (),
    edges: Sequence[float] = EDGES,
    widths: Sequence[int] = (256, 256),
    dropout: float = 0.0,
    hidden_dropout: float = 0.0,
    momentum: float = 0.05,
) -> BankTexture:
    """Raw waveform: a filter bank that begins as mel and is learnt, and statistics of its bands over time (beyond the papers).

    372,362 parameters for 10 tags at 16 kHz: filters 2 · 64 · 401, and the 321,034 of `texture`, which hears the bank's
    bands in place of a spectrogram's: what says how they vary, that what they are can follow. The embedding is that of the
    last hidden layer. The shortest input is 8 hops.

    filters, low, high, window, hop, stride, floor and learn are those of `bankresnet`; groups, edges, widths, dropout,
    hidden_dropout and momentum those of `texture`, and convolutions are its filters.
    """
    check_counts(tags=tags, filters=filters)
    check_bank(sample_rate, window, hop, stride, floor)
    check_texture(tags, 1, filters, groups, convolutions, edges, widths, dropout, hidden_dropout, momentum)
    bank = FilterBank(sample_rate, filters, low, high, window, hop, stride, floor, learn)
    heard = Texture(tags, 1, filters, groups, convolutions, edges, widths, dropout, hidden_dropout, momentum)
    return BankTexture(bank, heard)
