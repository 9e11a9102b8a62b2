/* test-support.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <parallel-glib/parallel.h>

G_BEGIN_DECLS

/* What the tests of the public API share.
 *
 * Every test that test_add() adds has a folder of its own and a hard time limit, at which the stacks of all its
 * processes are shown; and after it there must be as many descriptors, threads and children as before it, and no
 * file in the folder for temporary files. */

void         test_init                 (int             *argc,
                                        char          ***argv);
int          test_run                  (void);
void         test_add                  (const char      *path,
                                        GTestFunc        function);

/* Runs the test @path of this program in a process of its own, which must end well. */
void         test_in_subprocess        (const char      *path);

/* How much longer everything may take: 1, or what PARALLEL_TEST_TIME_FACTOR says (for valgrind). */
double       test_time_factor          (void);
gboolean     test_has_sanitizer        (void);

/* Files of the running test. */
char        *test_path                 (const char      *name);
char        *test_fifo                 (const char      *name);
void         test_write_file           (const char      *path,
                                        const char      *text);
char        *test_read_file            (const char      *path);
/* Waits until the file has a whole line and returns it as a number: the process id that a step left there. */
int          test_await_number         (const char      *path);
/* Writes to a FIFO, which waits for its reader. To be used once: the next reader might come before this writer has
 * gone, and see its end. */
void         test_release_fifo         (const char      *path);

/* This process. */
guint        test_count_fds            (void);
guint        test_count_threads        (void);
/* Of int. */
GArray      *test_list_children        (void);
guint        test_count_children       (void);
gint64       test_memory_now           (void);
gint64       test_memory_peak          (void);
/* Whether a process runs; a zombie does not. */
gboolean     test_process_runs         (int              pid);

/* Waits for an event, with a generous limit: by iterating a main context, or without. */
gint64       test_deadline             (void);
void         test_iterate              (GMainContext    *context,
                                        gint64           deadline,
                                        const char      *condition);
void         test_nap                  (gint64           deadline,
                                        const char      *condition);

#define test_iterate_until(context, condition)                                                     \
  G_STMT_START {                                                                                   \
    gint64 deadline_ = test_deadline ();                                                           \
    while (!(condition))                                                                           \
      test_iterate ((context), deadline_, #condition);                                             \
  } G_STMT_END

#define test_wait_until(condition)                                                                 \
  G_STMT_START {                                                                                   \
    gint64 deadline_ = test_deadline ();                                                           \
    while (!(condition))                                                                           \
      test_nap (deadline_, #condition);                                                            \
  } G_STMT_END

/* A place where function steps wait until the test lets them go on. */
typedef struct
{
  GMutex   mutex;
  GCond    cond;
  gboolean open;
  guint    n_waiting;
  guint    n_most;       /* the most that ever waited at once */
  guint    n_entered;
} TestGate;

void         test_gate_init            (TestGate        *gate);
void         test_gate_clear           (TestGate        *gate);
void         test_gate_enter           (TestGate        *gate);
/* As test_gate_enter(), but only until @cancellable is cancelled; says which. */
gboolean     test_gate_enter_or_cancel (TestGate        *gate,
                                        GCancellable    *cancellable,
                                        GError         **error);
void         test_gate_open            (TestGate        *gate);
void         test_gate_await           (TestGate        *gate,
                                        guint            n_entered);
guint        test_gate_get_entered     (TestGate        *gate);
/* A ParallelFunction whose user data is a gate. */
gboolean     test_gate_function        (ParallelStep    *step,
                                        GCancellable    *cancellable,
                                        gpointer         gate,
                                        GError         **error);

/* Steps and tasks. */
gboolean     test_no_op                (ParallelStep    *step,
                                        GCancellable    *cancellable,
                                        gpointer         user_data,
                                        GError         **error);
ParallelStep *test_function_step       (ParallelFunction function,
                                        gpointer         user_data);
ParallelStep *test_shell_step          (const char      *format,
                                        ...) G_GNUC_PRINTF (1, 2);
GPtrArray   *test_steps_new            (void);
void         test_put_int              (ParallelBackgroundTaskRunner *runner,
                                        int                           input);
void         test_put_step             (ParallelBackgroundTaskRunner *runner,
                                        ParallelStep                 *step);
/* Puts a step that is made for this and stays the caller's to look at. */
ParallelStep *test_put_shell           (ParallelBackgroundTaskRunner *runner,
                                        const char                   *format,
                                        ...) G_GNUC_PRINTF (2, 3);
ParallelStep *test_put_function        (ParallelBackgroundTaskRunner *runner,
                                        ParallelFunction              function,
                                        gpointer                      user_data);
int          test_get_int              (ParallelStep    *step);
void         test_set_int              (ParallelStep    *step,
                                        int              result);

/* A runner without a task of its own that prints nowhere. */
ParallelBackgroundTaskRunner *test_silent_runner (void);
/* Makes the runner print to memory; the streams are the runner's. */
GOutputStream *test_capture            (ParallelBackgroundTaskRunner *runner);
GOutputStream *test_capture_errors     (ParallelBackgroundTaskRunner *runner);
char        *test_captured             (GOutputStream   *stream);
void         test_close_and_wait       (ParallelBackgroundTaskRunner *runner);

void         test_assert_output        (ParallelStep        *step,
                                        ParallelOutputStream stream,
                                        const char          *expected);
void         test_assert_step_error    (ParallelStep    *step,
                                        GQuark           domain,
                                        int              code);
void         test_assert_names         (GPtrArray       *steps,
                                        const char      *expected);

/* Keeps the GAsyncResult for test_await_result(). */
void         test_store_result_cb      (GObject         *source,
                                        GAsyncResult    *result,
                                        gpointer         result_location);
GAsyncResult *test_await_result        (GMainContext    *context,
                                        GAsyncResult   **result_location);

/* Reads from a descriptor until @text has come; returns all that came. */
char        *test_read_until           (int              fd,
                                        const char      *text);

G_END_DECLS
