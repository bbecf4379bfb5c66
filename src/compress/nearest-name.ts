// What somebody may have meant, under the name by which methods know it.
export { nearestNames } from '#base';
