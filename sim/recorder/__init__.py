"""Turns what happens into figures: counts, latencies, time series, station accounts, a digest, rows on demand.

Models   A `Recorder` is told of every arrival and every end, and is the probe that components report to. A request is
         packed in 88 bytes when it ends and read never again; blocks of 65,536 are folded with numpy into counts,
         histograms and series. Memory does not grow with requests, unless rows are asked for.
         Figures cover the requests that arrive after the warm-up; digest, rows and series cover all.
Units    Seconds.
Source   Log-histograms as in HdrHistogram; areas and averages exact, by the levels reported on change.
Omits    Spans: a request's way is kept as sums by kind of work, not as a tree.
Checked  tests/unit/test_recorder.py, experiments/validation/theory/

    record.py       what is read of a request, and a block of them as columns
    recorder.py     the recorder, and the `Recording` that it leaves
    figures.py      counts by cause, latencies, what latencies are made of
    series.py       the same by bin of time
    instruments.py  stations, levels, counts, tallies over a span
    sampler.py      averages of stations and levels by bin of time
    ledger.py       requests in order of arrival: digest and rows
"""

from sim.recorder.figures import End, RequestFigures, TimeSplit
from sim.recorder.instruments import InstrumentFigures, LevelFigures, Notes, StationFigures, TallyFigures
from sim.recorder.ledger import RowSink
from sim.recorder.record import OUTCOMES, PARTS, Recorded
from sim.recorder.recorder import Recorder, Recording
from sim.recorder.sampler import Samples
from sim.recorder.series import Series

__all__ = [
    "OUTCOMES", "PARTS", "End", "InstrumentFigures", "LevelFigures", "Notes", "Recorded", "Recorder", "Recording",
    "RequestFigures", "RowSink", "Samples", "Series", "StationFigures", "TallyFigures", "TimeSplit",
]  # fmt: skip
