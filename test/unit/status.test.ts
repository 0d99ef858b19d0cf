import { describe, expect, it } from 'vitest';

import { ACTIVE, canMove, MOVES, STATUSES, TERMINAL } from '../../domain/jobs/status.js';

describe('the table of moves', () => {
  it.each([
    ['PENDING', 'PROCESSING_INPUTS', true],
    ['QUEUED', 'ARCHIVING', false],
    ['RUNNING', 'ARCHIVING', true],
    ['PAUSED', 'BLOCKED', false],
    ['BLOCKED', 'PAUSED', true],
    ['BLOCKED', 'BLOCKED', false],
    ['FINISHED', 'FAILED', false],
  ] as const)('%s → %s is %s', (from, to, expected) => {
    expect(canMove(from, to)).toBe(expected);
  });

  it('lets every live status end, and no terminal one move', () => {
    for (const status of STATUSES) {
      const isEnd = (TERMINAL as readonly string[]).includes(status);
      expect(MOVES[status].includes('CANCELLED')).toBe(!isEnd);
      expect(MOVES[status].length === 0).toBe(isEnd);
    }
    expect(ACTIVE.every((status) => MOVES[status].includes('BLOCKED'))).toBe(true);
  });
});
