// SPDX-License-Identifier: Apache-2.0
//
// How a session, its store, and clients that resume agree on which samples are
// applied: the protocol's rules (TrainRequest.offset, .takeover and .replica,
// TrainResponse.durable_offset and .epoch) as a model that spin walks through
// whole. Two clients have the same MESSAGES messages to send. Either may find its
// connection broken at any moment, open another and take the session over; the
// server crashes up to CRASHES times and goes on from what was durable.
//
// Held true in every state:
//   - no message is applied twice, none is left out;
//   - what a client was told is durable is never taken back;
//   - a replica's weights are those that the server had at its step, in its
//     epoch. The same step has other bits in another epoch, so `life` keeps in
//     which epoch each step was done;
// and no client waits for ever: each ends with all messages durable, or with no
// connection left that it may open.
//
// Left out: time, steps of several samples (a message is a step here), what the
// store is inside (tests/server/store), and watchers (their rule is a replica's).
//
// Variants of the clients, for each of which that holds:
//   EAGER            on a new stream they send all again that they don't know to
//                    be durable, not only what the server lacks
//   RESTLESS         they may fetch an anchor at any moment, once a stream
//
// Planted faults, one at a time, to see the model fail:
//   ANSWER_EARLY     durable_offset says what is applied
//   KEEP_OLD_STREAM  a stream that was replaced still applies
//   NO_SKIP          what was applied already is applied again
//   NO_RESYNC        replicas are not told that their steps are gone
//   ANY_ANSWER       a replica takes answers of any epoch
//   FROM_ANSWERED    a client goes on from what was answered, not from where the
//                    server stands
//   STUBBORN         a client that was replaced opens no other stream

#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef OPENINGS
#define OPENINGS 3 /* connections that a client may open */
#endif

#define CLIENTS 2
#define STREAMS (CLIENTS * OPENINGS)
#define NOBODY 255

mtype = { opening, samples, opened, refused, answer, news, replaced };

// The session in the server's memory. A message is one step, so that its count of
// steps is its next_offset.
byte steps;
byte epoch = 1;
byte writer = NOBODY;  // a stream's number
byte told;             // the durable step that the writer heard last
byte crashes;

// In the store.
byte durable;
byte first_step[CRASHES + 2];

// What nobody can look at: in which epoch each step was done, as each epoch's
// memory has it; and the most that anybody was told is durable.
typedef Life {
  byte step[MESSAGES]
};
Life life[CRASHES + 2];
byte promised;

// A connection is two pipes. A client that left one looks at it no more, but the
// server still finds there what was sent.
//   up:   what, replica's step or offset, replica's epoch, takeover
//   down: what, base_step, step, durable, epoch, resync
chan up[STREAMS] = [2] of { mtype, byte, byte, bit };
chan down[STREAMS] = [3] of { mtype, byte, byte, byte, byte, bit };
bit left[STREAMS];    // by its client
bit broken[STREAMS];  // by the server's crash

#ifdef ANSWER_EARLY
#define DURABLE steps
#else
#define DURABLE durable
#endif

inline tell(stream, what, base, resync) {
  if
  :: left[stream] -> skip
  :: else ->
    down[stream]!what, base, steps, DURABLE, epoch, resync;
    if
    :: DURABLE > promised -> promised = DURABLE
    :: else -> skip
    fi
  fi
}

// Whether a replica at step s of epoch e may go on; into `gone`.
inline look_at_replica(e, s) {
  gone = (e == epoch && s > steps);
  i = e + 1;
  do
  :: i <= epoch ->
    if
    :: s > first_step[i] -> gone = 1
    :: else -> skip
    fi;
    i++
  :: else -> break
  od;
  i = 0
#ifdef NO_RESYNC
  ; gone = 0
#endif
}

inline crash() {
  assert(durable >= promised);
  crashes++;
  epoch++;
  steps = durable;
  first_step[epoch] = durable;
  i = 0;
  do
  :: i < durable -> life[epoch].step[i] = life[epoch - 1].step[i]; i++
  :: else -> break
  od;
  writer = NOBODY;
  told = 0;
  i = 0;
  do
  :: i < STREAMS ->
    do
    :: nempty(up[i]) -> up[i]?_, _, _, _
    :: empty(up[i]) -> break
    od;
    broken[i] = opens[i / OPENINGS] > i % OPENINGS;
    i++
  :: else -> break
  od;
  i = 0
}

byte opens[CLIENTS];  // connections opened so far

inline take(stream) {
  up[stream]?what, number, of_epoch, takeover;
  if
  :: what == opening && writer != NOBODY && !takeover ->
    tell(stream, refused, steps, 0)
  :: what == opening && (writer == NOBODY || takeover) ->
    if
    :: writer != NOBODY -> tell(writer, replaced, steps, 0)
    :: else -> skip
    fi;
    writer = stream;
    look_at_replica(of_epoch, number);
    tell(stream, opened, steps, gone);
    told = durable
#ifndef KEEP_OLD_STREAM
  :: what == samples && writer != stream -> skip
  :: what == samples && writer == stream ->
#else
  :: what == samples ->
#endif
    assert(number <= steps);  // no gap
    if
#ifdef NO_SKIP
    :: steps < MESSAGES ->
#else
    :: number < steps -> tell(stream, answer, steps, 0)
    :: number == steps ->
#endif
      assert(number == steps);
      life[epoch].step[steps] = epoch;
      steps++;
      tell(stream, answer, steps - 1, 0)
#ifdef NO_SKIP
    :: else -> skip
#endif
    fi;
    told = durable
  fi;
  what = 0; number = 0; of_epoch = 0; takeover = 0; gone = 0
}

// A pipe that takes the answer, and those to whom another's is due.
#define ROOM(stream) (left[stream] || len(down[stream]) < 2)
#define TAKES(stream) \
  (nempty(up[stream]) && ROOM(stream) && (writer == NOBODY || ROOM(writer)))

active proctype server() {
  byte i, number, of_epoch;
  mtype what;
  bit takeover, gone;
end:
  do
  :: d_step { TAKES(0) -> take(0) }
  :: d_step { TAKES(1) -> take(1) }
#if OPENINGS > 1
  :: d_step { TAKES(2) -> take(2) }
  :: d_step { TAKES(3) -> take(3) }
#endif
#if OPENINGS > 2
  :: d_step { TAKES(4) -> take(4) }
  :: d_step { TAKES(5) -> take(5) }
#endif
#if OPENINGS > 3
  :: d_step { TAKES(6) -> take(6) }
  :: d_step { TAKES(7) -> take(7) }
#endif
  :: d_step { durable < steps -> durable = steps }
  :: d_step { crashes < CRASHES && durable < MESSAGES -> crash() }
  :: d_step {
      writer != NOBODY && durable > told && !left[writer] && ROOM(writer) ->
      tell(writer, news, steps, 0);
      told = durable
    }
  // It sees that a client is gone, some time later.
  :: d_step {
      writer != NOBODY && left[writer] && empty(up[writer]) -> writer = NOBODY
    }
  od
}

// The replica is at the server's own step, in its epoch.
inline take_anchor() {
  replica_epoch = epoch;
  replica_step = steps;
  i = 0;
  do
  :: i < steps -> replica[i] = life[epoch].step[i]; i++
  :: i >= steps && i < MESSAGES -> replica[i] = 0; i++
  :: else -> break
  od;
  i = 0
}

inline check_replica() {
  i = 0;
  do
  :: i < replica_step ->
    assert(replica[i] == life[replica_epoch].step[i]);
    i++
  :: else -> break
  od;
  i = 0
}

inline apply_answer() {
#ifndef ANY_ANSWER
  assert(of_epoch != replica_epoch || base <= replica_step);  // no hole
#endif
  if
#ifdef ANY_ANSWER
  :: base == replica_step && base < step ->
#else
  :: base == replica_step && base < step && of_epoch == replica_epoch ->
#endif
    replica[replica_step] = of_epoch;
    replica_step++;
    answered = step;
    check_replica()
  :: else -> skip
  fi
}

inline leave() {
  left[stream] = 1;
  do
  :: nempty(down[stream]) -> down[stream]?_, _, _, _, _, _
  :: empty(down[stream]) -> break
  od
}

inline forget() {
  what = 0; base = 0; step = 0; of_epoch = 0; resync = 0
}

proctype client(byte self) {
  byte stream, next, known, answered, i;
  byte replica_step, replica_epoch = 1;
  byte replica[MESSAGES];
  byte base, step, of_epoch, heard;
  mtype what;
  bit resync, takeover;
  bit fresh;  // with RESTLESS: no anchor was taken while the stream was open
  // The second may begin by taking over: an application's other instance.
  if
  :: self == 1 -> takeover = 1
  :: takeover = 0
  fi;
open_stream:
  skip;
  d_step {
    opens[self] < OPENINGS && (takeover || writer == NOBODY) ->
    stream = self * OPENINGS + opens[self];
    opens[self]++;
    up[stream]!opening, replica_step, replica_epoch, takeover
  }
  do
  // What comes down.
  :: atomic {
      nempty(down[stream]) ->
      down[stream]?what, base, step, heard, of_epoch, resync;
      if
      :: heard > known -> known = heard
      :: else -> skip
      fi;
      if
      :: what == opened ->
        assert(step >= known);
#ifdef RESTLESS
        fresh = 1;
#endif
        if
        :: resync || replica_step != step -> take_anchor()
        :: else -> replica_epoch = of_epoch; check_replica()
        fi;
#ifdef FROM_ANSWERED
        next = answered + 1
#elif defined(EAGER)
        next = known + 1
#else
        next = step + 1  // 0: the opening is not answered
#endif
      :: what == answer -> apply_answer()
      :: else -> skip
      fi;
      base = 0; step = 0; of_epoch = 0; resync = 0; heard = 0;
      if
      :: what == refused ->
        what = 0; opens[self]--; takeover = 0;
        goto open_stream
      :: what == replaced ->
        what = 0; leave(); next = 0; fresh = 0; takeover = 0;
#ifdef STUBBORN
        goto gone
#else
        break
#endif
      :: else -> what = 0
      fi
    }
#ifdef RESTLESS
  // An anchor, whenever it likes.
  :: d_step { nempty(down[stream]) && next > 0 && fresh -> take_anchor(); fresh = 0 }
#endif
  // What goes up.
  :: d_step {
      next > 0 && next <= MESSAGES && !broken[stream] && nfull(up[stream]) ->
      up[stream]!samples, next - 1, 0, 0;
      next++
    }
  // All is well.
  :: atomic { known == MESSAGES -> leave(); goto all_durable }
  // The connection breaks, or is seen to have broken.
  :: atomic {
      opens[self] < OPENINGS || broken[stream] ->
      leave(); next = 0; fresh = 0; takeover = 1;
      break
    }
  od;
  if
  :: opens[self] < OPENINGS -> goto open_stream
  :: else -> goto gone
  fi;
all_durable:
  assert(durable == MESSAGES);
gone:
  assert(known == MESSAGES || opens[self] == OPENINGS)
}

init {
  atomic {
    first_step[1] = 0;
    run client(0);
    run client(1)
  }
}
