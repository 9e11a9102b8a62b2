/* parallel-step.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#if !defined (PARALLEL_INSIDE) && !defined (PARALLEL_COMPILATION)
# error "Only <parallel-glib/parallel.h> can be included directly."
#endif

#include <parallel-glib/parallel-task.h>

G_BEGIN_DECLS

#define PARALLEL_TYPE_STEP (parallel_step_get_type ())

PARALLEL_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (ParallelStep, parallel_step, PARALLEL, STEP, GObject)

PARALLEL_AVAILABLE_IN_ALL
ParallelStep     *parallel_step_new                 (ParallelTask        *task,
                                                     const GValue        *input) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelStep     *parallel_step_new_string          (ParallelTask        *task,
                                                     const char          *input) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
ParallelTask     *parallel_step_get_task            (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_task            (ParallelStep        *self,
                                                     ParallelTask        *task);

PARALLEL_AVAILABLE_IN_ALL
const GValue     *parallel_step_get_input           (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_input           (ParallelStep        *self,
                                                     const GValue        *input);

PARALLEL_AVAILABLE_IN_ALL
char             *parallel_step_dup_input_text      (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
char             *parallel_step_dup_name            (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_name            (ParallelStep        *self,
                                                     const char          *name);

PARALLEL_AVAILABLE_IN_ALL
int               parallel_step_get_priority        (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_priority        (ParallelStep        *self,
                                                     int                  priority);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_timeout         (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_timeout         (ParallelStep        *self,
                                                     double               seconds);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_silence_timeout (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_silence_timeout (ParallelStep        *self,
                                                     double               seconds);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_exit_timeout    (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_exit_timeout    (ParallelStep        *self,
                                                     double               seconds);

PARALLEL_AVAILABLE_IN_ALL
const char       *parallel_step_get_stop_sequence   (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
gboolean          parallel_step_set_stop_sequence   (ParallelStep        *self,
                                                     const char          *sequence,
                                                     GError             **error);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_kill_grace      (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_kill_grace      (ParallelStep        *self,
                                                     double               seconds);

PARALLEL_AVAILABLE_IN_ALL
int               parallel_step_get_max_attempts    (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_max_attempts    (ParallelStep        *self,
                                                     int                  max_attempts);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_retry_delay     (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_retry_delay     (ParallelStep        *self,
                                                     double               seconds);

PARALLEL_AVAILABLE_IN_ALL
gint64            parallel_step_get_output_limit    (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_output_limit    (ParallelStep        *self,
                                                     gint64               n_bytes);

PARALLEL_AVAILABLE_IN_ALL
gint64            parallel_step_get_index           (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
ParallelStepState parallel_step_get_state           (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
guint             parallel_step_get_attempt         (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_elapsed         (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
GError           *parallel_step_dup_error           (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
char            **parallel_step_dup_attempt_errors  (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
GBytes           *parallel_step_dup_failure_details (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
const GValue     *parallel_step_get_result          (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_result          (ParallelStep        *self,
                                                     const GValue        *result);

PARALLEL_AVAILABLE_IN_ALL
int               parallel_step_get_exit_status     (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
int               parallel_step_get_term_signal     (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
GSubprocess      *parallel_step_dup_subprocess      (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_user_time       (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_system_time     (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
gint64            parallel_step_get_max_rss         (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
gboolean          parallel_step_write               (ParallelStep        *self,
                                                     ParallelOutputStream stream,
                                                     GBytes              *bytes,
                                                     GError             **error);

PARALLEL_AVAILABLE_IN_ALL
gboolean          parallel_step_write_text          (ParallelStep        *self,
                                                     const char          *text,
                                                     GError             **error);

PARALLEL_AVAILABLE_IN_ALL
guint64           parallel_step_get_output_size     (ParallelStep        *self,
                                                     ParallelOutputStream stream);

PARALLEL_AVAILABLE_IN_ALL
GBytes           *parallel_step_dup_output          (ParallelStep        *self,
                                                     ParallelOutputStream stream,
                                                     GError             **error) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
GInputStream     *parallel_step_open_output         (ParallelStep        *self,
                                                     ParallelOutputStream stream) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
char             *parallel_step_dup_output_tail     (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
char             *parallel_step_dup_last_line       (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
char             *parallel_step_dup_diagnosis       (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
double            parallel_step_get_progress        (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_progress        (ParallelStep        *self,
                                                     double               progress);

PARALLEL_AVAILABLE_IN_ALL
char             *parallel_step_dup_status          (ParallelStep        *self) G_GNUC_WARN_UNUSED_RESULT;

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_set_status          (ParallelStep        *self,
                                                     const char          *status);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_heartbeat           (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_cancel              (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_complete            (ParallelStep        *self);

PARALLEL_AVAILABLE_IN_ALL
void              parallel_step_fail                (ParallelStep        *self,
                                                     const GError        *error);

G_END_DECLS
