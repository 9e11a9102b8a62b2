/* support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "support.h"

#include <stdlib.h>

/* In seconds. */
double
bench_now (void)
{
  return g_get_monotonic_time () / 1e6;
}

void
bench_print (double value)
{
  g_print ("%.9f\n", value);
}

static int
compare_doubles (gconstpointer a,
                 gconstpointer b)
{
  double first = *(const double *) a;
  double second = *(const double *) b;

  return (first > second) - (first < second);
}

/* Sorts the values. */
void
bench_print_percentile (double *values,
                        guint   n,
                        double  part)
{
  qsort (values, n, sizeof *values, compare_doubles);
  bench_print (values[MIN (n - 1, (guint) (n * part))]);
}

/* Makes this program as large as one with so much data, for good. */
void
bench_take_memory (guint mebibytes)
{
  gsize size = (gsize) mebibytes << 20;
  volatile char *memory = size > 0 ? g_malloc (size) : NULL;

  for (gsize i = 0; i < size; i += 4096)
    memory[i] = 1;
}

/* Two at a time, with its output to nowhere, in order. */
ParallelBackgroundTaskRunner *
bench_runner (ParallelTask *task)
{
  ParallelBackgroundTaskRunner *runner = parallel_background_task_runner_new (task);
  g_autoptr (GOutputStream) sink = g_memory_output_stream_new_resizable ();

  parallel_background_task_runner_set_max_parallel (runner, 2);
  parallel_background_task_runner_set_sink (runner, sink);
  return runner;
}

/* Those from 0 on. */
void
bench_put_numbers (ParallelBackgroundTaskRunner *runner,
                   guint                         n)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);
  for (guint i = 0; i < n; i++)
    {
      g_value_set_int (&value, i);
      if (!parallel_background_task_runner_put (runner, &value, NULL))
        g_error ("The queue took no input");
    }
}

void
bench_wait (ParallelBackgroundTaskRunner *runner)
{
  g_autoptr (GError) error = NULL;

  parallel_background_task_runner_close (runner);
  if (!parallel_background_task_runner_wait (runner, NULL, &error))
    g_error ("%s", error->message);
}

/* PROGRAM MODE N [MEBIBYTES] */
int
bench_main (int               argc,
            char            **argv,
            const BenchModes *modes)
{
  const BenchModes *mode = modes;

  if (argc < 3)
    g_error ("usage: %s MODE N [MEBIBYTES]", argv[0]);
  while (mode->name != NULL && !g_str_equal (mode->name, argv[1]))
    mode++;
  if (mode->name == NULL)
    g_error ("%s has no mode %s", argv[0], argv[1]);

  bench_take_memory (argc > 3 ? atoi (argv[3]) : 0);
  mode->run (atoi (argv[2]));
  return 0;
}
