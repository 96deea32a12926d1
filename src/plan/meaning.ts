import { type Finding, type Place, placeOf } from './document.ts';
import { checkNeeds, type StageSketch } from './meaning-needs.ts';
import { type Event, events } from './event.ts';
import { limits } from './limits.ts';
import { nearest } from './nearest.ts';
import { type Path, shown } from './problem.ts';

/**
 * Rules that look at several places at once. They read the document as it is, not as the schema made it, so that a file
 * with a misspelt field still gets all its other problems told.
 */
export function checkMeaning(value: unknown, root: Place): Finding[] {
  const file = mapping(value);
  const stages = listOf(file['stages'], limits.stages).map(mapping);
  const images = listOf(file['images'], limits.images).map(mapping);
  const deploys = listOf(file['deploy'], limits.deploys).map(mapping);
  return [
    ...duplicates(stages, ['stages'], 'name', 'stage', root),
    ...duplicates(images, ['images'], 'name', 'image', root),
    ...duplicates(deploys, ['deploy'], 'environment', 'deploy to', root),
    ...stages.flatMap((stage, index) => checkStage(stage, index, root)),
    ...checkNeeds(
      stages.flatMap((stage, index) => sketch(stage, index)),
      root,
    ),
    ...images.flatMap((image, index) => checkImage(image, index, root)),
    ...checkDeployImages(deploys, images, root),
    ...checkDeployScans(deploys, root),
    ...images.flatMap((image, index) => checkPlatforms(image, index, root)),
  ];
}

/** Fields that describe what a Dockerfile describes itself. */
const besidesDockerfile = ['layers', 'base', 'config'];

function checkImage(image: Mapping, index: number, root: Place): Finding[] {
  const path = ['images', index];
  const place = placeOf(root, path);
  const keyOf = (field: string): Finding['span'] => place.children.get(field)?.key ?? place.value;
  if (Object.hasOwn(image, 'dockerfile'))
    return besidesDockerfile
      .filter((field) => Object.hasOwn(image, field))
      .map((field) => ({
        message: `an image has either "dockerfile" or "${field}", not both`,
        path: [...path, field],
        span: keyOf(field),
      }));
  const misspelt = Object.keys(image).some((key) => nearest(key, ['layers', 'dockerfile']) !== undefined);
  if (Object.hasOwn(image, 'layers') || misspelt || Object.keys(image).length === 0) return [];
  return [
    {
      message: 'an image without layers or a dockerfile',
      expected: '"layers", or "dockerfile"',
      path,
      span: [...place.children.values()][0]?.key ?? place.value,
    },
  ];
}

function checkStage(stage: Mapping, index: number, root: Place): Finding[] {
  const path = ['stages', index];
  const findings: Finding[] = [];
  const steps = Object.hasOwn(stage, 'steps');
  const jobs = Object.hasOwn(stage, 'jobs');
  const place = placeOf(root, path);
  const keyOf = (field: string): Finding['span'] => place.children.get(field)?.key ?? place.value;
  if (steps && jobs)
    findings.push({ message: 'a stage has either "steps" or "jobs", not both', path: [...path, 'jobs'], span: keyOf('jobs') });
  // A misspelt `stepps` is told as an unknown field; it is not missing as well.
  const misspelt = Object.keys(stage).some((key) => nearest(key, ['steps', 'jobs']) !== undefined);
  if (!steps && !jobs && !misspelt && Object.keys(stage).length > 0)
    findings.push({
      message: 'a stage without steps or jobs',
      expected: '"steps", or "jobs" with steps each',
      path,
      span: [...place.children.values()][0]?.key ?? place.value,
    });
  findings.push(...duplicates(listOf(stage['jobs'], limits.jobsPerStage).map(mapping), [...path, 'jobs'], 'name', 'job', root));
  findings.push(...repeatedEvents(stage, [...path, 'on'], root));
  return findings;
}

function repeatedEvents(stage: Mapping, path: Path, root: Place): Finding[] {
  const on = listOf(stage['on'], limits.entries);
  return on.flatMap((event, index) =>
    typeof event === 'string' && on.indexOf(event) < index
      ? [{ message: `${shown(event)} is listed twice`, path: [...path, index], span: placeOf(root, [...path, index]).value }]
      : [],
  );
}

function duplicates(items: readonly Mapping[], path: Path, field: string, what: string, root: Place): Finding[] {
  const first = new Map<string, number>();
  const findings: Finding[] = [];
  items.forEach((item, index) => {
    const name = item[field];
    if (typeof name !== 'string') return;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, index);
    else
      findings.push({
        message: `a second ${what} ${shown(name)}`,
        expected: 'a name of its own',
        path: [...path, index, field],
        span: placeOf(root, [...path, index, field]).value,
      });
  });
  return findings;
}

function checkDeployImages(deploys: readonly Mapping[], images: readonly Mapping[], root: Place): Finding[] {
  const known = images.flatMap((image) => (typeof image['name'] === 'string' ? [image['name']] : []));
  return deploys.flatMap((deploy, index) =>
    Object.entries(mapping(deploy['images'])).flatMap(([reference, name]): Finding[] => {
      if (typeof name !== 'string' || known.includes(name)) return [];
      const path = ['deploy', index, 'images', reference];
      const suggestion = nearest(name, known);
      const expected = known.length === 0 ? 'an image of this file, which builds none' : `one of ${known.slice(0, 20).join(', ')}`;
      return [
        {
          message: `no image ${shown(name)} in this file`,
          ...(suggestion === undefined ? { expected } : { suggestion }),
          path,
          span: placeOf(root, path).value,
        },
      ];
    }),
  );
}

/** A level over nothing would look like a gate. */
function checkDeployScans(deploys: readonly Mapping[], root: Place): Finding[] {
  return deploys.flatMap((deploy, index): Finding[] => {
    if (!Object.hasOwn(deploy, 'scan') || Object.keys(mapping(deploy['images'])).length > 0) return [];
    const path = ['deploy', index, 'scan'];
    const place = placeOf(root, ['deploy', index]);
    return [
      {
        message: 'a deploy with "scan" and without "images" has nothing that could be compared with what runs',
        expected: '"images" of the deploy, with an image of this file',
        path,
        span: place.children.get('scan')?.key ?? place.value,
      },
    ];
  });
}

/** A layer for a platform that the image is not built for would be in no manifest, silently. */
function checkPlatforms(image: Mapping, index: number, root: Place): Finding[] {
  const platforms = listOf(image['platforms'], limits.platforms);
  if (Object.hasOwn(image, 'dockerfile') && platforms.length > 0) {
    const path = ['images', index, 'platforms'];
    const expected = 'a Dockerfile builds for the platform of the builder alone; platforms go with layers';
    return [{ message: 'an image with a Dockerfile has no "platforms"', expected, path, span: placeOf(root, path).value }];
  }
  return listOf(image['layers'], limits.layersPerImage).flatMap((layer, nth): Finding[] => {
    const platform = mapping(layer)['platform'];
    if (typeof platform !== 'string' || platforms.includes(platform)) return [];
    const path = ['images', index, 'layers', nth, 'platform'];
    const expected = platforms.length === 0 ? '"platforms" of the image, with this one in it' : `one of ${platforms.join(', ')}`;
    return [{ message: `the image is not built for ${shown(platform)}`, expected, path, span: placeOf(root, path).value }];
  });
}

type Mapping = Readonly<Record<string, unknown>>;

function mapping(value: unknown): Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {};
}

function listOf(value: unknown, maximum: number): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, maximum) : [];
}

function sketch(stage: Mapping, index: number): StageSketch[] {
  const name = stage['name'];
  if (typeof name !== 'string') return [];
  const written = listOf(stage['on'], limits.entries);
  const on = written.filter((event): event is Event => events.some((known) => known === event));
  // A `needs` that is no list is a problem of structure; its stage then counts as one without needs.
  const needs = Object.hasOwn(stage, 'needs') ? listOf(stage['needs'], limits.stages) : undefined;
  return [
    {
      index,
      name,
      on,
      onIsValid: on.length > 0 && on.length === written.length,
      needs: needs?.map((need) => (typeof need === 'string' ? need : '')),
    },
  ];
}
