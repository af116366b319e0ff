/*
 * An agenda: a binary heap that knows where each slot's appointment stands.
 */
#include "agenda.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool before(const struct gv_appointment *a, const struct gv_appointment *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void put(struct gv_agenda *agenda, uint32_t index, struct gv_appointment appointment)
{
    agenda->heap[index] = appointment;
    agenda->place[appointment.slot] = index + 1;
}

/* Finds the place for an appointment around a free one: up as far as it goes, or else down. */
static void settle(struct gv_agenda *agenda, uint32_t index, struct gv_appointment appointment)
{
    while (index > 0 && before(&appointment, &agenda->heap[(index - 1) / 2])) {
        put(agenda, index, agenda->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    while (2 * (uint64_t)index + 1 < agenda->count) {
        uint32_t child = 2 * index + 1;
        if (child + 1 < agenda->count && before(&agenda->heap[child + 1], &agenda->heap[child])) {
            child++;
        }
        if (!before(&agenda->heap[child], &appointment)) {
            break;
        }
        put(agenda, index, agenda->heap[child]);
        index = child;
    }
    put(agenda, index, appointment);
}

static void take_out(struct gv_agenda *agenda, uint32_t slot)
{
    uint32_t index = agenda->place[slot] - 1;
    agenda->place[slot] = 0;
    agenda->count--;
    if (index < agenda->count) {
        settle(agenda, index, agenda->heap[agenda->count]);
    }
}

enum gv_err gv_agenda_init(struct gv_agenda *agenda, uint32_t slots)
{
    memset(agenda, 0, sizeof *agenda);
    agenda->slots = slots;
    agenda->heap = malloc(((size_t)slots + 1) * sizeof *agenda->heap);
    agenda->place = calloc((size_t)slots + 1, sizeof *agenda->place);
    if (agenda->heap == NULL || agenda->place == NULL) {
        gv_agenda_deinit(agenda);
        return GV_ERR_NOMEM;
    }
    return GV_OK;
}

void gv_agenda_deinit(struct gv_agenda *agenda)
{
    free(agenda->heap);
    free(agenda->place);
    memset(agenda, 0, sizeof *agenda);
}

void gv_agenda_set(struct gv_agenda *agenda, uint32_t slot, uint64_t at_us)
{
    GV_ASSERT(slot < agenda->slots);
    if (agenda->place[slot] != 0) {
        take_out(agenda, slot);
    }
    if (at_us != UINT64_MAX) {
        agenda->count++;
        settle(agenda, agenda->count - 1,
               (struct gv_appointment){.at_us = at_us, .order = agenda->made++, .slot = slot});
    }
}

uint64_t gv_agenda_at(const struct gv_agenda *agenda, uint32_t slot)
{
    GV_ASSERT(slot < agenda->slots);
    return agenda->place[slot] != 0 ? agenda->heap[agenda->place[slot] - 1].at_us : UINT64_MAX;
}

uint64_t gv_agenda_next(const struct gv_agenda *agenda)
{
    return agenda->count > 0 ? agenda->heap[0].at_us : UINT64_MAX;
}

uint32_t gv_agenda_take(struct gv_agenda *agenda)
{
    GV_ASSERT(agenda->count > 0);
    uint32_t slot = agenda->heap[0].slot;
    take_out(agenda, slot);
    return slot;
}
