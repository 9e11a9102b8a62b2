/* parallel-run-delay.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-engine.h"

/* The delay before another attempt. */

typedef struct
{
  ParallelMail  mail;
  ParallelRun  *run;
  ParallelItem *item;
  double        seconds;
  GSource      *timer;      /* engine thread only */
} Delay;

static void
delay_free (Delay *delay)
{
  if (delay->timer != NULL)
    {
      g_source_destroy (delay->timer);
      g_source_unref (delay->timer);
    }
  parallel_run_drop_item (delay->run, delay->item);
  parallel_run_unref (delay->run);
  g_free (delay);
}

/* Returns FALSE when the run was halted, which has settled the item. */
static gboolean
put_back (Delay *delay)
{
  ParallelRun *run = delay->run;
  ParallelActions actions = { NULL };
  gboolean goes_on;

  parallel_run_lock (run);
  goes_on = run->halt == PARALLEL_RUN_GOES_ON;
  if (goes_on)
    {
      parallel_item_list_remove (&run->delayed, delay->item);
      parallel_queue_push_head (&run->pending, delay->item);
      parallel_run_dispatch_locked (run, &actions);
    }
  parallel_run_unlock (run);

  parallel_run_act (run, &actions);
  return goes_on;
}

static gboolean
delay_over_cb (gpointer user_data)
{
  Delay *delay = user_data;

  g_queue_remove (&delay->run->delays, delay);
  put_back (delay);
  delay_free (delay);
  return G_SOURCE_REMOVE;
}

static void
delay_in_engine (ParallelMail *mail,
                 gboolean      closed)
{
  Delay *delay = (Delay *) mail;
  ParallelRun *run = delay->run;
  gboolean halted;

  parallel_run_lock (run);
  halted = run->halt != PARALLEL_RUN_GOES_ON;
  parallel_run_unlock (run);
  if (halted)
    {
      delay_free (delay);
      return;
    }

  g_queue_push_tail (&run->delays, delay);
  delay->timer = parallel_engine_add_timer (parallel_run_after (g_get_monotonic_time (), delay->seconds),
                                            delay_over_cb, delay);
}

void
parallel_run_delay (ParallelRun  *run,
                    ParallelItem *item,
                    double        seconds)
{
  Delay *delay = g_new0 (Delay, 1);

  delay->run = parallel_run_ref (run);
  delay->item = item;
  delay->seconds = seconds;
  if (parallel_engine_start (NULL))
    parallel_engine_post (&delay->mail, delay_in_engine);
  else
    {
      put_back (delay);
      delay_free (delay);
    }
}

typedef struct
{
  ParallelMail  mail;
  ParallelRun  *run;
} EndDelaysMail;

static void
end_delays_in_engine (ParallelMail *mail,
                      gboolean      closed)
{
  EndDelaysMail *end = (EndDelaysMail *) mail;
  Delay *delay;

  while ((delay = g_queue_pop_head (&end->run->delays)) != NULL)
    delay_free (delay);
  parallel_run_unref (end->run);
  g_free (end);
}

void
parallel_run_end_delays (ParallelRun *run)
{
  EndDelaysMail *end;

  if (!parallel_engine_start (NULL))
    return;

  end = g_new0 (EndDelaysMail, 1);
  end->run = parallel_run_ref (run);
  parallel_engine_post (&end->mail, end_delays_in_engine);
}
