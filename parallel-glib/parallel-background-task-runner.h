/* parallel-background-task-runner.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-function-task.h>
#include <parallel-glib/parallel-step.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_BACKGROUND_TASK_RUNNER (parallel_background_task_runner_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelBackgroundTaskRunner, parallel_background_task_runner,
                      PARALLEL, BACKGROUND_TASK_RUNNER, GObject)

PARALLEL_AVAILABLE_IN_ALL
ParallelBackgroundTaskRunner *parallel_background_task_runner_new                     (ParallelTask                 *task) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_put                     (ParallelBackgroundTaskRunner *self,
                                                                                       const GValue                 *input,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_put_string              (ParallelBackgroundTaskRunner *self,
                                                                                       const char                   *input,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_put_step                (ParallelBackgroundTaskRunner *self,
                                                                                       ParallelStep                 *step,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_put_async               (ParallelBackgroundTaskRunner *self,
                                                                                       const GValue                 *input,
                                                                                       GCancellable                 *cancellable,
                                                                                       GAsyncReadyCallback           callback,
                                                                                       gpointer                      user_data);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_put_finish              (ParallelBackgroundTaskRunner *self,
                                                                                       GAsyncResult                 *result,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_close                   (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_wait                    (ParallelBackgroundTaskRunner *self,
                                                                                       GCancellable                 *cancellable,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_wait_async              (ParallelBackgroundTaskRunner *self,
                                                                                       GCancellable                 *cancellable,
                                                                                       GAsyncReadyCallback           callback,
                                                                                       gpointer                      user_data);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_wait_finish             (ParallelBackgroundTaskRunner *self,
                                                                                       GAsyncResult                 *result,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_halt                    (ParallelBackgroundTaskRunner *self,
                                                                                       ParallelHaltMode              mode);

PARALLEL_AVAILABLE_IN_ALL
ParallelStep                 *parallel_background_task_runner_next                    (ParallelBackgroundTaskRunner *self,
                                                                                       GCancellable                 *cancellable,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_next_async              (ParallelBackgroundTaskRunner *self,
                                                                                       GCancellable                 *cancellable,
                                                                                       GAsyncReadyCallback           callback,
                                                                                       gpointer                      user_data);

PARALLEL_AVAILABLE_IN_ALL
ParallelStep                 *parallel_background_task_runner_next_finish             (ParallelBackgroundTaskRunner *self,
                                                                                       GAsyncResult                 *result,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_pause                   (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_resume                  (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
GPtrArray                    *parallel_background_task_runner_dup_failures            (ParallelBackgroundTaskRunner *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
GPtrArray                    *parallel_background_task_runner_dup_skipped             (ParallelBackgroundTaskRunner *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
GPtrArray                    *parallel_background_task_runner_dup_steps               (ParallelBackgroundTaskRunner *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
char                         *parallel_background_task_runner_dump                    (ParallelBackgroundTaskRunner *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_onexit              (ParallelBackgroundTaskRunner *self,
                                                                                       ParallelFunction              onexit,
                                                                                       gpointer                      user_data,
                                                                                       GDestroyNotify                notify);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_sink_fds            (ParallelBackgroundTaskRunner *self,
                                                                                       int                           stdout_fd,
                                                                                       int                           stderr_fd);

PARALLEL_AVAILABLE_IN_ALL
ParallelTask                 *parallel_background_task_runner_get_task                (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
guint                         parallel_background_task_runner_get_max_parallel        (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_max_parallel        (ParallelBackgroundTaskRunner *self,
                                                                                       guint                         max_parallel);

PARALLEL_AVAILABLE_IN_ALL
guint                         parallel_background_task_runner_get_max_pending         (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_max_pending         (ParallelBackgroundTaskRunner *self,
                                                                                       guint                         max_pending);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_get_halt_on_error       (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_halt_on_error       (ParallelBackgroundTaskRunner *self,
                                                                                       gboolean                      halt_on_error);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_get_hold_output         (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_hold_output         (ParallelBackgroundTaskRunner *self,
                                                                                       gboolean                      hold_output);

PARALLEL_AVAILABLE_IN_ALL
ParallelOutputMode            parallel_background_task_runner_get_output_mode         (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_output_mode         (ParallelBackgroundTaskRunner *self,
                                                                                       ParallelOutputMode            mode);

PARALLEL_AVAILABLE_IN_ALL
GOutputStream                *parallel_background_task_runner_get_sink                (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_sink                (ParallelBackgroundTaskRunner *self,
                                                                                       GOutputStream                *sink);

PARALLEL_AVAILABLE_IN_ALL
GOutputStream                *parallel_background_task_runner_get_error_sink          (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_error_sink          (ParallelBackgroundTaskRunner *self,
                                                                                       GOutputStream                *error_sink);

PARALLEL_AVAILABLE_IN_ALL
ParallelKeepSteps             parallel_background_task_runner_get_keep_steps          (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_keep_steps          (ParallelBackgroundTaskRunner *self,
                                                                                       ParallelKeepSteps             keep_steps);

PARALLEL_AVAILABLE_IN_ALL
GCancellable                 *parallel_background_task_runner_get_cancellable         (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_cancellable         (ParallelBackgroundTaskRunner *self,
                                                                                       GCancellable                 *cancellable);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_timeout             (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_timeout             (ParallelBackgroundTaskRunner *self,
                                                                                       double                        seconds);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_silence_timeout     (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_silence_timeout     (ParallelBackgroundTaskRunner *self,
                                                                                       double                        seconds);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_exit_timeout        (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_exit_timeout        (ParallelBackgroundTaskRunner *self,
                                                                                       double                        seconds);

PARALLEL_AVAILABLE_IN_ALL
const char                   *parallel_background_task_runner_get_stop_sequence       (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_set_stop_sequence       (ParallelBackgroundTaskRunner *self,
                                                                                       const char                   *sequence,
                                                                                       GError                      **error);

PARALLEL_AVAILABLE_IN_ALL
gboolean                      parallel_background_task_runner_get_backtraces          (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_backtraces          (ParallelBackgroundTaskRunner *self,
                                                                                       gboolean                      backtraces);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_kill_grace          (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_kill_grace          (ParallelBackgroundTaskRunner *self,
                                                                                       double                        seconds);

PARALLEL_AVAILABLE_IN_ALL
guint                         parallel_background_task_runner_get_max_attempts        (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_max_attempts        (ParallelBackgroundTaskRunner *self,
                                                                                       guint                         max_attempts);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_retry_delay         (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_retry_delay         (ParallelBackgroundTaskRunner *self,
                                                                                       double                        seconds);

PARALLEL_AVAILABLE_IN_ALL
guint64                       parallel_background_task_runner_get_output_limit        (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_output_limit        (ParallelBackgroundTaskRunner *self,
                                                                                       guint64                       n_bytes);

PARALLEL_AVAILABLE_IN_ALL
ParallelOutputLimitPolicy     parallel_background_task_runner_get_output_limit_policy (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_output_limit_policy (ParallelBackgroundTaskRunner *self,
                                                                                       ParallelOutputLimitPolicy     policy);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_keep_alive_interval (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
void                          parallel_background_task_runner_set_keep_alive_interval (ParallelBackgroundTaskRunner *self,
                                                                                       double                        seconds);

PARALLEL_AVAILABLE_IN_ALL
guint                         parallel_background_task_runner_get_n_pending           (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
guint                         parallel_background_task_runner_get_n_running           (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
guint64                       parallel_background_task_runner_get_n_succeeded         (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
guint64                       parallel_background_task_runner_get_n_failed            (ParallelBackgroundTaskRunner *self);

PARALLEL_AVAILABLE_IN_ALL
double                        parallel_background_task_runner_get_progress            (ParallelBackgroundTaskRunner *self);

G_END_DECLS
