/* parallel-run-events.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "parallel-run.h"

#include "parallel-run-error.h"

/* From the threads to the owner's context, and from the sequencer to the run. */

void
parallel_run_event_free (ParallelEvent *event)
{
  g_clear_object (&event->step);
  g_clear_pointer (&event->item, parallel_item_unref);
  g_clear_pointer (&event->output, parallel_output_unref);
  g_clear_pointer (&event->run, parallel_run_unref);
  g_free (event);
}

/* An asynchronous step cannot be started any more: its context has been let go. */
static void
refuse_start (ParallelEvent *event)
{
  parallel_run_fail_item (event->run, event->item,
                          g_error_new_literal (PARALLEL_RUN_ERROR, PARALLEL_RUN_ERROR_HALTED,
                                               "The runner was dropped before the step was started"));
}

static void
start_in_owner (ParallelEvent *event)
{
  ParallelRun *run = event->run;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  parallel_run_lock (run);
  event->item->in_loop = run->n_waits == 0;
  parallel_run_unlock (run);

  parallel_run_start_item (run, event->item, cancellable);
}

static void
cancel_in_owner (ParallelEvent *event)
{
  g_autoptr (GCancellable) cancellable = parallel_step_dup_cancellable (event->step);

  if (cancellable != NULL && parallel_step_is_being_stopped (event->step))
    g_cancellable_cancel (cancellable);
}

static void
close_output_event (ParallelEvent *event)
{
  ParallelRun *run = event->run;

  parallel_run_lock (run);
  if (run->last_output == event)
    run->last_output = NULL;
  parallel_run_unlock (run);
}

/* A step that is still posted after the runner has gone is let go of in the owner's context all the same. That
 * must not keep the run, which has a reference to the context: if nobody iterates it any more, neither would
 * ever be freed. */
static void
free_closed_event (ParallelEvent *event)
{
  g_autoptr (GMainContext) context = g_main_context_ref (event->run->context);
  ParallelStep *step = g_steal_pointer (&event->step);

  parallel_run_event_free (event);
  parallel_run_free_in_context (context, g_object_unref, step);
}

static void
deliver_mail (ParallelMail *mail,
              gboolean      closed)
{
  ParallelEvent *event = (ParallelEvent *) mail;
  ParallelRun *run = event->run;

  if (event->kind == PARALLEL_EVENT_OUTPUT)
    close_output_event (event);

  switch (event->kind)
    {
    case PARALLEL_EVENT_START:
      if (closed)
        refuse_start (event);
      else
        start_in_owner (event);
      break;

    case PARALLEL_EVENT_CANCEL:
      cancel_in_owner (event);
      break;

    case PARALLEL_EVENT_DROP:
      break;

    default:
      /* The owner is constant in its own context as long as the mailbox is open. */
      if (!closed && run->owner != NULL)
        run->owner_class->deliver (run->owner, event);
    }

  if (closed && event->step != NULL && !g_main_context_is_owner (run->context))
    free_closed_event (event);
  else
    parallel_run_event_free (event);
}

static ParallelEvent *
event_new (ParallelRun       *run,
           ParallelEventKind  kind)
{
  ParallelEvent *event = g_new0 (ParallelEvent, 1);

  event->kind = kind;
  event->run = parallel_run_ref (run);

  return event;
}

void
parallel_run_post (ParallelRun       *run,
                   ParallelEventKind  kind,
                   ParallelItem      *item,
                   ParallelStep      *step,
                   gboolean           removed)
{
  ParallelEvent *event = event_new (run, kind);

  event->item = item != NULL ? parallel_item_ref (item) : NULL;
  event->step = step != NULL ? g_object_ref (step) : NULL;
  event->removed = removed;
  parallel_mailbox_post (run->mailbox, &event->mail, deliver_mail);
}

void
parallel_run_post_drop (ParallelRun  *run,
                        ParallelStep *step)
{
  ParallelEvent *event = event_new (run, PARALLEL_EVENT_DROP);

  event->step = step;
  parallel_mailbox_post (run->mailbox, &event->mail, deliver_mail);
}

static gboolean
remove_cb (gpointer data)
{
  return G_SOURCE_REMOVE;
}

/* Not g_main_context_invoke(), which would call it here if nobody has the context at the moment. If the context
 * ends before it is iterated again, @func is called then, by whoever ends it. */
void
parallel_run_free_in_context (GMainContext   *context,
                              GDestroyNotify  func,
                              gpointer        data)
{
  GSource *source = g_idle_source_new ();

  g_source_set_static_name (source, "[parallel] release");
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, remove_cb, data, func);
  g_source_attach (source, context);
  g_source_unref (source);
}

/* ---- the sequencer's side ---- */

/* Parts that follow one another become one event as long as that is not delivered: the data
 * stays in the spool. */
static gboolean
extend_last_locked (ParallelRun          *run,
                    ParallelOutput       *output,
                    guint64               offset,
                    guint64               length)
{
  ParallelEvent *last = run->last_output;

  if (last == NULL || last->output != output || last->offset + last->length != offset)
    return FALSE;

  last->length += length;
  return TRUE;
}

static void
printing_cb (gpointer              user_data,
             guint64               index,
             gpointer              shown,
             ParallelOutput       *output,
             ParallelOutputStream  stream,
             guint64               offset,
             guint64               length)
{
  ParallelRun *run = user_data;
  ParallelEvent *event;
  gboolean wanted;

  parallel_run_lock (run);
  wanted = shown != NULL && run->owner != NULL && !extend_last_locked (run, output, offset, length);
  parallel_run_unlock (run);

  if (!wanted)
    return;

  event = event_new (run, PARALLEL_EVENT_OUTPUT);
  event->step = g_object_ref (shown);
  event->output = parallel_output_ref (output);
  event->stream = stream;
  event->offset = offset;
  event->length = length;

  parallel_run_lock (run);
  run->last_output = event;
  parallel_run_unlock (run);
  parallel_mailbox_post (run->mailbox, &event->mail, deliver_mail);
}

static void
release_shown_cb (gpointer user_data,
                  gpointer shown)
{
  parallel_run_drop_step (user_data, shown);
}

static void
drained_cb (gpointer user_data)
{
  ParallelRun *run = user_data;

  gboolean halted;

  parallel_run_lock (run);
  run->over = TRUE;
  halted = run->halt == PARALLEL_RUN_HALTED_NOW && run->begun;
  g_cond_broadcast (&run->over_cond);
  parallel_run_unlock (run);

  parallel_run_post (run, PARALLEL_EVENT_OVER, NULL, NULL, FALSE);
  if (halted)
    parallel_run_unwatch_sinks (run);
  parallel_run_unref (run);   /* taken when the sequencer was closed */
}

static void
failed_cb (gpointer  user_data,
           GError   *error)
{
  parallel_run_halt_with (user_data, error);
}

static char *
keep_alive_cb (gpointer user_data)
{
  g_autofree char *running = parallel_run_describe_running (user_data, 5);

  return running != NULL ? g_strconcat ("still running: ", running, NULL) : NULL;
}

const ParallelSequencerCallbacks parallel_run_sequencer_callbacks =
{
  .printing = printing_cb,
  .release = release_shown_cb,
  .drained = drained_cb,
  .failed = failed_cb,
  .keep_alive = keep_alive_cb,
};
