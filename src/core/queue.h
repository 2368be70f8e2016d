/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What waits to be written to a neighbour, and in which order it goes. Normal frames go first, as
 * they came. Bulk is a flow for each source, target and port; it goes in rounds, to which each flow
 * adds as many bytes (deficit round robin), within a round as it came. A barrier goes when all has gone
 * that its sources had queued before it. Router lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "wire/frame.h"

/* Bytes of a flow in a round; any frame fits. */
#define QUEUE_TURN (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX)

struct id_blocks;
struct mitogen_message;

struct queue {
	struct list normal;   /* messages of one frame each */
	struct list rounds;   /* of bulk */
	struct map flows;     /* of bulk: those that have added to these rounds */
	struct list barriers; /* that wait for bulk of some sources */
	size_t normal_bytes, bulk_bytes;
};

void queue_init(struct queue *queue);
void queue_clear(struct queue *queue); /* drops everything; it is empty then */
bool queue_is_empty(const struct queue *queue);

/* Takes over m, whose frame header is encoded. 0, or -1: no memory, it is dropped. */
int queue_add(struct queue *queue, struct mitogen_message *m);
/* The same for a message, not of bulk, that goes behind everything that waits now from these sources, which
 * takes a little memory for each of their flows; NULL: from all, barriers included, which takes none. What
 * they queue later may overtake it. -1: nobody can rely on the order of what follows. */
int queue_add_behind(struct queue *queue, struct mitogen_message *m,
		     const struct id_blocks *sources);
/* The one that goes next, which is handed over; NULL: there is none. *ret_left: how many bytes wait
 * still of its flow, or of normal frames. */
struct mitogen_message *queue_take(struct queue *queue, size_t *ret_left);
/* Bytes that wait of a flow. */
size_t queue_flow_bytes(const struct queue *queue, uint32_t src_id, uint32_t dst_id,
			uint32_t handle);
