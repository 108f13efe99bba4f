"""Whose turn it is: of the analyses that may run now, the one to claim next.

The one of highest priority, of these the one that has waited longest. An expired lease counts as waiting; a
study that is held waits. A study's analyses never run side by side; a follow-up waits for the patient's
earlier studies that are not held and whose originals are here, since what they measure is its history; and
those that were interrupted by the node's own death come last and are not waited for: an input that kills
the node cannot starve the others. What waits for its originals from an archive is not claimed. What a plan
of reprocessing has queued comes after what it has not, which does not wait for it either.
"""

__all__ = ["NEXT_ANALYSIS"]

NEXT_ANALYSIS = """
    SELECT id, study_instance_uid FROM analyses AS candidate
    JOIN studies AS study USING (study_instance_uid)
    LEFT JOIN routings USING (study_instance_uid)
    WHERE ((candidate.state = 'queued' AND next_attempt_at <= :now)
           OR (candidate.state = 'running' AND lease_expires_at <= :now))
      AND study_instance_uid NOT IN (SELECT study_instance_uid FROM holds)
      AND NOT EXISTS (SELECT 1 FROM analyses AS other
                      WHERE other.study_instance_uid = candidate.study_instance_uid
                        AND other.id <> candidate.id
                        AND other.state = 'running' AND other.lease_expires_at > :now)
      AND NOT EXISTS (SELECT 1 FROM studies AS earlier
                      JOIN analyses AS prior USING (study_instance_uid)
                      WHERE earlier.patient_key = study.patient_key AND earlier.patient_key <> ''
                        AND earlier.study_date <> '' AND earlier.study_date < study.study_date
                        AND prior.state IN ('queued', 'running') AND prior.interruptions = 0
                        AND (prior."trigger" <> :planned OR candidate."trigger" = :planned)
                        AND earlier.study_instance_uid NOT IN
                            (SELECT study_instance_uid FROM holds)
                        AND NOT EXISTS
                            (SELECT 1 FROM retrievals AS fetched
                             WHERE fetched.study_instance_uid = earlier.study_instance_uid
                               AND fetched.purpose = 'original'
                               AND fetched.state IN ('waiting', 'running')))
      AND NOT EXISTS (SELECT 1 FROM retrievals
                      WHERE retrievals.study_instance_uid = candidate.study_instance_uid
                        AND purpose = 'original' AND retrievals.state IN ('waiting', 'running'))
      AND (candidate.queued_at <= :searched
           OR study_instance_uid IN (SELECT study_instance_uid FROM fetched_histories)
           OR EXISTS (SELECT 1 FROM prior_searches
                      WHERE analysis_id = candidate.id AND prior_searches.state <> 'fetching'))
    ORDER BY interruptions, candidate."trigger" = :planned, coalesce(priority, :priority) DESC, id
    LIMIT 1
"""
"""Parameters: ``now``; ``searched``, the moment by which an analysis must have been queued to go ahead
although the search for priors goes on; ``priority`` of what no route has decided; ``planned``, the trigger
of plans."""
