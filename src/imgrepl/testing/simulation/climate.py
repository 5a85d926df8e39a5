"""What befalls a whole world: drawn once a seed, so that some are calm and others are not."""

from dataclasses import dataclass, replace

from imgrepl.engine.options import EngineOptions
from imgrepl.testing.simulation.scheduler import Roll, pick
from imgrepl.testing.simulation.weather import LIES, WEATHER_FAULTS, Weather
from imgrepl.testing.simulation.world import OPTIONS


@dataclass(frozen=True, kw_only=True)
class Climate:
    """Chances are per step. `hopeless` lets the last healthy copy of something be damaged too."""

    steps: int
    weather: Weather
    options: EngineOptions
    crash: float = 0.0
    freeze: float = 0.0
    parallel: float = 0.0
    damage: float = 0.0
    outage: float = 0.0
    full: float = 0.0
    storm: float = 0.0
    jump: float = 0.0
    """The database's clock is set anew, forward or back."""
    takeover: float = 0.0
    """The index is lost, or an older one restored, while processes still work with it."""
    hopeless: bool = False
    skew_seconds: float = 0.0
    database_skew_seconds: float = 0.0


def climate_of(roll: Roll) -> Climate:
    """A climate, by dice: each fault is there or not, and if it is, rare or frequent."""

    def sometimes(chance: float, most: float) -> float:
        return roll() * most if roll() < chance else 0.0

    stormy = roll() < 0.6
    faults = {
        name: sometimes(0.35, 0.002 if name in LIES else 0.04) if stormy else 0.0
        for name in WEATHER_FAULTS
    }
    latency = pick(roll, (0.0, 0.05, 0.5, 5.0))
    return Climate(
        steps=2 + int(roll() ** 2 * 12),
        weather=Weather(
            **faults,
            latency_seconds_max=latency,
            late_seconds_max=pick(roll, (60.0, 600.0, 7200.0)),
        ),
        options=_options(roll),
        crash=sometimes(0.7, 0.8),
        freeze=sometimes(0.3, 0.3),
        parallel=sometimes(0.5, 0.7),
        damage=sometimes(0.3, 0.5),
        outage=sometimes(0.3, 0.3),
        full=sometimes(0.15, 0.2),
        storm=sometimes(0.2, 0.3),
        jump=sometimes(0.15, 0.3),
        takeover=sometimes(0.3, 0.4),
        hopeless=roll() < 0.1,
        skew_seconds=sometimes(0.3, 3600.0),
        database_skew_seconds=sometimes(0.3, 3600.0),
    )


def _options(roll: Roll) -> EngineOptions:
    return replace(
        OPTIONS,
        workers=1 + int(roll() * 2),
        uploads_in_flight=1 + int(roll() * 3),
        region_uploads=1 + int(roll() * 2),
        pack_reads=1 + int(roll() * 2),
        downloads_in_flight=1 + int(roll() * 3),
        rows_per_batch=pick(roll, (1, 3, 64)),
        pack_bytes_target=pick(roll, (64, 128, 512)) * 1024,
        slow_region_seconds=pick(roll, (0.1, 5.0)),
    )
