/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels: at each end a receiver whose port has the number that the call's answer goes to. */
#pragma once

struct channel_ops;

extern const struct channel_ops channel_ops;
