/* support.h: what the benchmarks in C share. Each does its work once, checks it, and prints one number: what was measured.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

typedef void (*BenchMode) (guint n);

typedef struct
{
  const char *name;
  BenchMode   run;
} BenchModes;

double bench_now              (void);
void   bench_print            (double            value);
void   bench_print_percentile (double           *values,
                               guint             n,
                               double            part);
void   bench_take_memory      (guint             mebibytes);
ParallelBackgroundTaskRunner *
       bench_runner           (ParallelTask     *task);
void   bench_put_numbers      (ParallelBackgroundTaskRunner *runner,
                               guint                         n);
void   bench_wait             (ParallelBackgroundTaskRunner *runner);
int    bench_main             (int               argc,
                               char            **argv,
                               const BenchModes *modes);

G_END_DECLS
