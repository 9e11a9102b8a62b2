/* test-pool-places.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-pool-places.h"

#include "parallel-launcher-private.h"

/* Which place a worker goes to. */

#define SECOND G_USEC_PER_SEC

typedef struct
{
  GPtrArray          *list;
  ParallelPoolPlaces *places;
} Fixture;

static void
fixture_init (Fixture     *self,
              const guint *n_slots,
              guint        n_places)
{
  self->list = g_ptr_array_new_with_free_func (parallel_place_free);
  for (guint i = 0; i < n_places; i++)
    g_ptr_array_add (self->list, parallel_place_new ("node", n_slots[i]));
  self->places = parallel_pool_places_new (self->list);
}

static void
fixture_clear (Fixture *self)
{
  parallel_pool_places_free (self->places);
  g_ptr_array_unref (self->list);
}

static void
assert_takes (Fixture *self,
              gint64   now,
              int      expected)
{
  g_assert_cmpint (parallel_pool_places_take (self->places, now), ==, expected);
}

static void
test_spread (void)
{
  Fixture fixture;

  g_test_summary ("Workers are spread by the part of the slots in use, and no more than there are slots");
  fixture_init (&fixture, (guint[]) { 4, 2 }, 2);
  g_assert_cmpuint (parallel_pool_places_get_n_slots (fixture.places), ==, 6);
  assert_takes (&fixture, 0, 0);
  assert_takes (&fixture, 0, 1);
  assert_takes (&fixture, 0, 0);
  assert_takes (&fixture, 0, 0);
  assert_takes (&fixture, 0, 1);
  assert_takes (&fixture, 0, 0);
  assert_takes (&fixture, 0, -1);
  g_assert_cmpint (parallel_pool_places_get_next (fixture.places, 0), ==, G_MAXINT64);
  parallel_pool_places_give_back (fixture.places, 1);
  assert_takes (&fixture, 0, 1);
  assert_takes (&fixture, 0, -1);
  fixture_clear (&fixture);
}

static void
test_unlimited (void)
{
  Fixture fixture;

  g_test_summary ("A place without a number of slots takes any number");
  fixture_init (&fixture, (guint[]) { 0 }, 1);
  g_assert_cmpuint (parallel_pool_places_get_n_slots (fixture.places), ==, 0);
  for (guint i = 0; i < 1000; i++)
    assert_takes (&fixture, 0, 0);
  fixture_clear (&fixture);
}

static void
test_down (void)
{
  Fixture fixture;
  gint64 now = 5 * SECOND;

  g_test_summary ("A place that is down is left alone for a while");
  fixture_init (&fixture, (guint[]) { 2, 2 }, 2);
  parallel_pool_places_set_down (fixture.places, 0, now);
  g_assert_true (parallel_pool_places_any_up (fixture.places, now));
  assert_takes (&fixture, now, 1);
  assert_takes (&fixture, now, 1);
  assert_takes (&fixture, now, -1);
  g_assert_cmpint (parallel_pool_places_get_next (fixture.places, now), ==, now + SECOND);
  assert_takes (&fixture, now + SECOND - 1, -1);
  assert_takes (&fixture, now + SECOND, 0);
  parallel_pool_places_set_down (fixture.places, 1, now + SECOND);
  parallel_pool_places_set_down (fixture.places, 0, now + SECOND);
  g_assert_false (parallel_pool_places_any_up (fixture.places, now + SECOND));
  g_assert_cmpint (parallel_pool_places_get_next (fixture.places, now + SECOND), ==, now + 2 * SECOND);
  fixture_clear (&fixture);
}

static void
test_longer (void)
{
  static const int rests[] = { 1, 2, 4, 8, 16, 30, 30 };
  Fixture fixture;
  gint64 now = 0;

  g_test_summary ("Each time for longer, up to a limit; once a worker comes up there, as at first");
  fixture_init (&fixture, (guint[]) { 1 }, 1);
  for (guint i = 0; i < G_N_ELEMENTS (rests); i++)
    {
      parallel_pool_places_set_down (fixture.places, 0, now);
      parallel_pool_places_set_down (fixture.places, 0, now + 1);   /* another worker of the same place */
      g_assert_cmpint (parallel_pool_places_get_next (fixture.places, now), ==, now + rests[i] * SECOND);
      now += rests[i] * SECOND;
    }
  parallel_pool_places_set_up (fixture.places, 0);
  assert_takes (&fixture, now, 0);
  parallel_pool_places_set_down (fixture.places, 0, now);
  g_assert_cmpint (parallel_pool_places_get_next (fixture.places, now), ==, now + SECOND);
  fixture_clear (&fixture);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pool-places/spread", test_spread);
  g_test_add_func ("/pool-places/unlimited", test_unlimited);
  g_test_add_func ("/pool-places/down", test_down);
  g_test_add_func ("/pool-places/longer", test_longer);
  return g_test_run ();
}
