"""Logarithm, exponential and the normal quantile, the same to the last bit on every machine.

Models   The functions that inverse distribution functions need, made of + - * / sqrt and exact scaling only, which
         IEEE 754 defines to the last bit. numpy's and the C library's own versions choose their code by the CPU's
         vector units, and differ in the last bit between machines: a run could not be repeated elsewhere.
Units    Dimensionless. Arrays of float64 in and out, element by element: a value never depends on its neighbours.
Source   log, exp: FreeBSD msun (e_log.c, e_exp.c). Normal quantile: Wichura 1988, AS 241, doi:10.2307/2347330.
         Logarithm of gamma: Stirling's series (NIST DLMF 5.11.1). Incomplete gamma: series and continued fraction
         (DLMF 8.11.4, 8.9.2), as in Cephes igam.c; its inverse by Newton's method.
Omits    Negative arguments of log.
Checked  tests/unit/test_elementary.py
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LEAST_NORMAL: Final = 1 << 52
"""As an integer, the bits of the least normal number; how many there are; those of sqrt(1/2); those of a fraction."""
_NORMAL_NUMBERS: Final = 2046 << 52
_SQRT_HALF: Final = 0x3FE6A09E667F3BCD
_FRACTION: Final = (1 << 52) - 1
_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_LOG_ODD: Final = (
    6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01,
)  # fmt: skip
_LOG_EVEN: Final = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_EXP: Final = (
    1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05, -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)  # fmt: skip
_STIRLING: Final = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_HALF_LOG_TWO_PI: Final = 0.9189385332046727418


def polynomial(coefficients: Sequence[float], x: Array) -> Array:
    """The polynomial with these coefficients, two or more, the constant one first."""
    value = x * coefficients[-1]
    value += coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value *= x
        value += coefficient
    return value


def log(x: Array) -> Array:
    """Natural logarithm of positive numbers, to within 1 unit in the last place; log(0) is -inf.

    Most steps write where they read: at the lengths that are drawn, arrays take as long to make as to fill.
    """
    power, fraction = _split(x)
    s = fraction / (2.0 + fraction)
    z = s * s
    w = z * z
    rest = polynomial(_LOG_ODD, w)
    rest *= z
    even = polynomial(_LOG_EVEN, w)
    even *= w
    rest += even
    half_square = 0.5 * fraction
    half_square *= fraction
    rest += half_square
    rest *= s
    rest += power * _LN2_LOW
    half_square -= rest
    half_square -= fraction
    power *= _LN2_HIGH
    power -= half_square
    if not x.all():
        power[x == 0.0] = -np.inf
    return power


def _split(x: Array) -> tuple[Array, Array]:
    """`power` and `fraction` of x = 2**power * (1 + fraction), the second factor from sqrt(1/2) to sqrt(2)."""
    bits = x.view(np.int64)
    if (bits.view(np.uint64) - _LEAST_NORMAL < _NORMAL_NUMBERS).all():
        above = bits - _SQRT_HALF
        power = (above >> 52).astype(np.float64)
        above &= _FRACTION
        above += _SQRT_HALF
        fraction = above.view(np.float64)
        fraction -= 1.0
        return power, fraction
    mantissa, exponent = np.frexp(x)
    low = mantissa < 0.70710678118654752440
    return (exponent - low).astype(np.float64), np.where(low, mantissa + mantissa, mantissa) - 1.0


def exp(x: Array) -> Array:
    """Exponential, to within 1 unit in the last place; exp(-inf) is 0, above 709 it stays at 8e307."""
    x = np.clip(x, -800.0, 709.0)
    power = np.rint(x * 1.44269504088896338700)
    high = x - power * _LN2_HIGH
    low = power * _LN2_LOW
    r = high - low
    t = r * r
    c = r - t * polynomial(_EXP, t)
    value: Array = np.ldexp(1.0 - ((low - (r * c) / (2.0 - c)) - high), power.astype(np.int32))
    return value


def expm1(x: float) -> float:
    """exp(x) - 1 of one number, without cancellation near 0 (Kahan: divide by the logarithm of what was computed)."""
    e = exp_of(x)
    if e == 1.0:
        return x
    if e - 1.0 == -1.0:
        return -1.0
    return (e - 1.0) * x / log_of(e)


def log_of(x: float) -> float:
    """Natural logarithm of one positive number."""
    return float(log(np.array([x]))[0])


def exp_of(x: float) -> float:
    """Exponential of one number."""
    return float(exp(np.array([x]))[0])


def log_gamma(x: float) -> float:
    """Logarithm of the gamma function of one positive number."""
    product = 1.0
    while x < 12.0:
        product *= x
        x += 1.0
    inverse = 1.0 / x
    square = inverse * inverse
    series = 0.0
    for coefficient in reversed(_STIRLING):
        series = series * square + coefficient
    return (x - 0.5) * log_of(x) - x + _HALF_LOG_TWO_PI + series * inverse - log_of(product)


_CENTRE: Final = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_SHOULDER: Final = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL: Final = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def normal_quantile(u: Array) -> Array:
    """The standard normal number below which a share `u` lies, to about 1e-16 relative; -inf at 0."""
    q = u - 0.5
    central = np.abs(q) <= 0.425
    r = 0.180625 - q * q
    value = q * polynomial(_CENTRE[0], r) / polynomial(_CENTRE[1], r)
    outside = ~central
    if outside.any():
        tail = np.where(q[outside] < 0.0, u[outside], 1.0 - u[outside])
        r = np.sqrt(-log(tail))
        near = np.minimum(r, 5.0) - 1.6
        far = np.clip(r, 5.0, 40.0) - 5.0
        size = np.where(
            r <= 5.0,
            polynomial(_SHOULDER[0], near) / polynomial(_SHOULDER[1], near),
            polynomial(_TAIL[0], far) / polynomial(_TAIL[1], far),
        )
        size = np.where(tail == 0.0, np.inf, size)
        value[outside] = np.where(q[outside] < 0.0, -size, size)
    return value


def incomplete_gamma(shape: float, x: Array) -> tuple[Array, Array]:
    """Shares below and above `x` >= 0 of the gamma distribution with this shape and scale 1."""
    below, above = np.zeros_like(x), np.ones_like(x)
    low = (x > 0.0) & (x < shape + 1.0)
    below[low] = _gamma_series(shape, x[low])
    above[low] = 1.0 - below[low]
    high = x >= shape + 1.0
    above[high] = _gamma_fraction(shape, x[high])
    below[high] = 1.0 - above[high]
    return below, above


def normal_shares(z: Array) -> tuple[Array, Array]:
    """The shares of the standard normal distribution below and above `z`."""
    centre, tails = incomplete_gamma(0.5, np.minimum(0.5 * z * z, 1e4))
    near, far = 0.5 + 0.5 * centre, 0.5 * tails
    return np.where(z < 0.0, far, near), np.where(z < 0.0, near, far)


def _gamma_factor(shape: float, x: Array) -> Array:
    """x ** shape * exp(-x) / gamma(shape): x times the density."""
    return exp(shape * log(x) - x - log_gamma(shape))


def _gamma_series(shape: float, x: Array) -> Array:
    """Share below x < shape + 1. The terms fall, so a sum that one term leaves unchanged stays so: however long a
    neighbour takes, an element's value is its own."""
    term = np.ones_like(x)
    total = np.ones_like(x)
    divisor = shape
    while True:
        divisor += 1.0
        term *= x / divisor
        longer = total + term
        if (longer == total).all():
            return _gamma_factor(shape, x) / shape * total
        total = longer


def _gamma_fraction(shape: float, x: Array) -> Array:
    """Share above x >= shape + 1, by Lentz's method. Elements that have converged are left alone."""
    b = x + (1.0 - shape)
    c = np.full_like(x, 1e300)
    d = 1.0 / b
    value = d.copy()
    open_ = np.ones(x.shape, np.bool_)
    n = 0.0
    while open_.any():
        n += 1.0
        a = n * (shape - n)
        b = b + 2.0
        d = 1.0 / (b + a * d)
        c = b + a / c
        factor = c * d
        value = np.where(open_, value * factor, value)
        open_ &= np.abs(factor - 1.0) > 2.0**-52
    return _gamma_factor(shape, x) * value


def gamma_quantile(shape: float, below: Array, above: Array) -> Array:
    """The number that splits the gamma distribution with this shape and scale 1 into shares `below` and `above`.

    Both are asked for because the smaller one is the exact one. Newton's method where it cannot go astray: up to the
    median on log(below) as a function of log(x), which is concave; beyond it on log(above) as a function of x, which
    is concave or convex. The start is Wilson and Hilferty's cube, or, where that fails, the first term of the series
    of `below`, which is always too small. What is below 2**-1000 counts as 0.
    """
    lower = below <= 0.5
    z = normal_quantile(np.maximum(np.where(lower, below, above), 2.0**-1000))
    root = np.maximum(1.0 - 1.0 / (9.0 * shape) + np.where(lower, z, -z) / (3.0 * np.sqrt(shape)), 0.0)
    least = exp((log(np.maximum(below, 2.0**-1000)) + log_gamma(shape + 1.0)) / shape)
    x = np.maximum(shape * root * root * root, least)
    solvable = (below > 0.0) & (least > 2.0**-1000)
    open_ = solvable.copy()
    for _ in range(100):
        x_open, low = x[open_], lower[open_]
        if not x_open.size:
            break
        shares = np.where(low, *incomplete_gamma(shape, x_open))
        targets = np.where(low, below[open_], above[open_])
        step = (log(targets) - log(shares)) * shares / _gamma_factor(shape, x_open)
        moved = np.where(low, x_open * exp(step), np.maximum(x_open - x_open * step, x_open * 0.125))
        x[open_] = moved
        open_[open_] = np.abs(moved - x_open) > x_open * 2.0**-27
    return np.where(solvable, x, 0.0)
