"""What a screenshot of a map shows: which pixels are a country's own, and how many of them have a colour."""

from __future__ import annotations

import re
from typing import Any

POINTS = """(code) => [...document.querySelectorAll(`svg.world [data-country="${code}"], svg.world .land`)]
  .filter(path => code === "" ? !path.dataset.country : path.dataset.country === code)
  .flatMap(path => {
    const box = path.getBBox(), place = path.getScreenCTM(), found = [], step = code ? 3 : 15;
    for (let x = box.x; x < box.x + box.width; x += step)
      for (let y = box.y; y < box.y + box.height; y += step)
        if (path.isPointInFill(new DOMPoint(x, y)) && !path.isPointInStroke(new DOMPoint(x, y))) {
          const at = new DOMPoint(x, y).matrixTransform(place);
          found.push([at.x + scrollX, at.y + scrollY]);
        }
    return found;
  })"""
PIN = """(code) => { const box = document.querySelector(`svg.world [data-pin="${code}"] .halo`).getBoundingClientRect();
  return [box.x + scrollX, box.y + scrollY, box.width, box.height]; }"""
VARIABLE = "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"


def colour(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def blend(text: str) -> Any:
    """What a half-transparent colour, as CSS writes it, makes of another."""
    *over, alpha = (float(part) for part in re.findall(r"[\d.]+", text))
    return lambda base: tuple(round(o * alpha + b * (1 - alpha)) for o, b in zip(over, base, strict=True))


def share(pixels: list[Any], wanted: tuple[int, ...], tolerance: int = 24) -> float:
    near = sum(all(abs(a - b) <= tolerance for a, b in zip(pixel, wanted, strict=True)) for pixel in pixels)
    return near / len(pixels)


def pixel(picture: Any, at: list[float]) -> tuple[int, ...]:
    """What a picture of two pixels for each CSS pixel shows at a place of the page."""
    return tuple(picture.getpixel((round(2 * at[0]), round(2 * at[1]))))


def is_under(at: list[float], pin: list[float]) -> bool:
    """Whether a symbol or the label beneath it covers a point."""
    left, top, width, height = pin
    return left - width < at[0] < left + 2 * width and top - 2 < at[1] < top + 2.2 * height
