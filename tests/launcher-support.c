/* launcher-support.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "launcher-support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parallel-engine.h"

typedef struct
{
  ParallelMail   mail;
  void         (*func) (gpointer data);
  gpointer       data;
  GMutex         mutex;
  GCond          cond;
  gboolean       done;
} Call;

static void
call_cb (ParallelMail *mail,
         gboolean      closed)
{
  Call *call = (Call *) mail;

  call->func (call->data);

  g_mutex_lock (&call->mutex);
  call->done = TRUE;
  g_cond_signal (&call->cond);
  g_mutex_unlock (&call->mutex);
}

void
in_engine (void     (*func) (gpointer data),
           gpointer   data)
{
  Call call = { .func = func, .data = data };
  g_autoptr (GError) error = NULL;

  parallel_engine_start (&error);
  g_assert_no_error (error);

  g_mutex_init (&call.mutex);
  g_cond_init (&call.cond);
  parallel_engine_post (&call.mail, call_cb);
  g_mutex_lock (&call.mutex);
  while (!call.done)
    g_cond_wait (&call.cond, &call.mutex);
  g_mutex_unlock (&call.mutex);
  g_mutex_clear (&call.mutex);
  g_cond_clear (&call.cond);
}

static void
ready_cb (const GPtrArray *places,
          const GError    *error,
          gpointer         user_data)
{
  Preparation *self = user_data;

  g_assert_true (parallel_engine_is_current ());
  g_assert_true ((places != NULL) != (error != NULL));

  if (error != NULL)
    self->error = g_error_copy (error);
  else
    {
      g_assert_cmpuint (places->len, >, 0);
      self->places = g_ptr_array_new_with_free_func (parallel_place_free);
      for (guint i = 0; i < places->len; i++)
        {
          const ParallelPlace *place = places->pdata[i];

          g_ptr_array_add (self->places, parallel_place_new (place->node, place->n_slots));
        }
    }
  g_atomic_int_inc ((gint *) &self->n_calls);
  g_main_context_wakeup (NULL);
}

static void
begin_func (gpointer data)
{
  Preparation *self = data;

  parallel_launcher_prepare (self->launcher, ready_cb, self);
}

void
preparation_begin (Preparation      *self,
                   ParallelLauncher *launcher)
{
  *self = (Preparation) { .launcher = launcher };
  in_engine (begin_func, self);
}

void
preparation_wait (Preparation *self)
{
  while (g_atomic_int_get ((gint *) &self->n_calls) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (self->n_calls, ==, 1);
}

static void
forget_func (gpointer data)
{
  Preparation *self = data;

  parallel_launcher_forget (self->launcher, self);
}

void
preparation_forget (Preparation *self)
{
  in_engine (forget_func, self);
}

void
preparation_clear (Preparation *self)
{
  g_clear_pointer (&self->places, g_ptr_array_unref);
  g_clear_error (&self->error);
}

char *
prepare (ParallelLauncher *launcher)
{
  g_auto (Preparation) preparation = { 0 };
  GString *text = g_string_new (NULL);

  preparation_begin (&preparation, launcher);
  preparation_wait (&preparation);

  if (preparation.error != NULL)
    g_string_append (text, preparation.error->message);
  for (guint i = 0; preparation.places != NULL && i < preparation.places->len; i++)
    {
      const ParallelPlace *place = preparation.places->pdata[i];

      g_string_append_printf (text, "%s%s:%u", i > 0 ? " " : "", place->node != NULL ? place->node : "-", place->n_slots);
    }

  return g_string_free (text, FALSE);
}

char *
join_argv (char **argv)
{
  return g_strjoinv ("|", argv);
}

typedef struct
{
  ParallelLauncher    *launcher;
  const ParallelPlace *place;
  const char * const  *argv;
  char               **result;
} ArgvCall;

static void
argv_func (gpointer data)
{
  ArgvCall *call = data;

  call->result = parallel_launcher_dup_argv (call->launcher, call->place, call->argv);
}

char **
dup_argv (ParallelLauncher    *launcher,
          const ParallelPlace *place,
          const char * const  *argv)
{
  ArgvCall call = { .launcher = launcher, .place = place, .argv = argv };

  in_engine (argv_func, &call);
  return call.result;
}

GSubprocess *
start_role (const char *program,
            const char *role)
{
  g_autoptr (GError) error = NULL;
  GSubprocess *subprocess = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                                              program, "--role", role, NULL);

  g_assert_no_error (error);
  return subprocess;
}

char *
read_line (GSubprocess *subprocess)
{
  GInputStream *stream = g_subprocess_get_stdout_pipe (subprocess);
  GString *line = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  char byte;

  while (g_input_stream_read (stream, &byte, 1, NULL, &error) == 1 && byte != '\n')
    g_string_append_c (line, byte);
  g_assert_no_error (error);

  return g_string_free (line, FALSE);
}

void
kill_role (GSubprocess *subprocess)
{
  g_subprocess_send_signal (subprocess, SIGKILL);
  g_assert_true (g_subprocess_wait (subprocess, NULL, NULL));
}

void
be_ready (const char *words)
{
  char byte;

  printf ("%s\n", words);
  fflush (stdout);
  while (read (0, &byte, 1) > 0)
    ;
}
