import { expect, test } from 'vitest';
import { inkOn, rampColor, viridis } from '../src/shared/theme.ts';

test('the ramp passes through its stops and mixes between them', () => {
  expect(rampColor(viridis, 0)).toBe('#440154');
  expect(rampColor(viridis, 1)).toBe('#fde725');
  expect(rampColor(viridis, 0.5)).toBe('#21918c');
  expect(rampColor(['#000000', '#ffffff'], 0.5)).toBe('#808080');
  expect(rampColor(viridis, 2)).toBe('#fde725');
});

/** WCAG 2 contrast ratio with the colour's own relative luminance. */
function contrast(a: string, b: string): number {
  const luminance = (hex: string): number =>
    [0.2126, 0.7152, 0.0722].reduce((sum, weight, at) => {
      const share = Number.parseInt(hex.slice(1 + 2 * at, 3 + 2 * at), 16) / 255;
      return sum + weight * (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
    }, 0);
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

test('text on every colour of the ramp has a contrast of 4.5 at least', () => {
  for (let at = 0; at <= 100; at++) {
    const color = rampColor(viridis, at / 100);
    expect(contrast(color, inkOn(color)), color).toBeGreaterThanOrEqual(4.5);
  }
});
